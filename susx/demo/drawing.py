"""What tells one version of the embedded textures from another: the code that draws them."""

from __future__ import annotations

import functools
from pathlib import Path

from susx.store import FileDigests, digest_json

__all__ = ["drawing_digest"]

_file_digests = FileDigests()


@functools.lru_cache(maxsize=2)
def drawing_digest(*, pool: bool = False) -> str:
    """Return a digest of the code that draws the embedded textures, and with ``pool`` the captions and the pool too.

    What is drawn changes when the code does; nothing else of it is stored that could tell.
    """
    folder = Path(__file__).parent
    files = sorted((folder / "textures").glob("*.py"))
    if pool:
        files += [folder / name for name in ("captions.py", "pool.py", "pool_index.py", "vocabulary.py")]
    return digest_json({path.name: _file_digests(path) for path in files})
