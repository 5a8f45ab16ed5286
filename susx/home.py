"""A home folder for a user that has none: a container started with ``--user 12345`` has no HOME and no entry in passwd."""

from __future__ import annotations

import getpass
import logging
import os
import stat
import tempfile
from pathlib import Path

__all__ = ["ensure_home"]

logger = logging.getLogger(__name__)


def ensure_home() -> Path:
    """Return the user's home folder; where none can be determined, one below the folder of temporary files becomes ``HOME``.

    Configuration and caches (ours, Prefect's, the Hub's) are looked for below it, in this process and those it starts.
    """
    try:
        home = Path.home()
    except (RuntimeError, KeyError):
        home = _own_folder(Path(tempfile.gettempdir()))
        os.environ["HOME"] = str(home)
        logger.warning(
            "This user has no home folder (no HOME, no entry in passwd): configuration and caches lie in %s. Set HOME to a folder that "
            "you may write to, to keep them.",
            home,
        )
    try:
        getpass.getuser()
    except (OSError, KeyError, ImportError):
        os.environ["USER"] = str(os.getuid())  # libraries name folders and runs after it
    return home


def _own_folder(below: Path) -> Path:
    """Return a folder that nobody else can write to, the same one at each start where that can be."""
    folder = below / f"susx-home-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700)
    except OSError:
        facts = folder.lstat() if folder.is_symlink() or folder.exists() else None
        if (
            facts is None
            or not stat.S_ISDIR(facts.st_mode)
            or facts.st_uid != os.getuid()
            or facts.st_mode & 0o022
        ):
            return Path(tempfile.mkdtemp(prefix="susx-home-"))
    return folder
