"""What a search returns, and its codec.

A candidate carries the image itself (``image``), a path to it, a URL, or, from a pool of features, nothing but its
place in the pool.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susx.store.record_tables import read_rows, write_rows

__all__ = [
    "AUTHOR",
    "PAGE",
    "Candidate",
    "candidate_from_metadata",
    "caption_of",
    "located",
    "read_candidates",
    "unique_candidates",
    "write_candidates",
]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One search result.

    Attributes:
        class_name: the class of the query.
        prompt: the sentence before disambiguation.
        query: the sentence that was searched.
        item: identity of the image within its backend (digest, path, URL or row); equal items are one image. What is fetched is kept by what
            candidates say, and by what the files hold that ``path`` names: another image that may change in its place says its content here.
        similarity: cosine of query and image, or the score of the backend.
        url, path: where the image is; None where unknown.
        image: the encoded image where the backend delivers it.
        caption, licence, nsfw: the index's columns, as text.
        author, page: who made the image, and the page that shows it, where the source says so.
        cite: how the collection that it comes from asks to be cited.
        refused, detail: a reason for which it is not even fetched, and a sentence on it; "" for all others.
        source: backend and index it came from.
    """

    class_name: str
    prompt: str
    query: str
    item: str
    similarity: float
    url: str | None = None
    path: str | None = None
    image: bytes | None = None
    caption: str | None = None
    licence: str | None = None
    nsfw: str | None = None
    source: str = ""
    author: str | None = None
    page: str | None = None
    cite: str | None = None
    refused: str = ""
    detail: str = ""


_LICENCE = ("license", "licence")
_NSFW = ("punsafe", "nsfw")
AUTHOR = ("creator", "author", "photographer", "attribution_name", "rightsholder")
"""Names of a column that says who made an image, the better one first."""
PAGE = ("page", "landing_url", "foreign_landing_url", "source_page", "originallandingurl")
"""Names of a column with the page that shows an image."""


def candidate_from_metadata(metadata: Mapping[str, Any], **fields: Any) -> Candidate:
    """Build a candidate from one row of an index's metadata, whose columns go by several names and cases."""
    lower = {str(key).lower(): value for key, value in metadata.items()}

    def first(names: Iterable[str]) -> str | None:
        return next((_text(lower[name]) for name in names if name in lower), None)

    return Candidate(
        url=_text(lower.get("url")),
        path=_text(lower.get("image_path")),
        caption=caption_of(lower),
        licence=first(_LICENCE),
        nsfw=first(_NSFW),
        author=first(AUTHOR),
        page=first(PAGE),
        **fields,
    )


def unique_candidates(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates of one class best first, each image once: with the sentence that it is most similar to.

    The result does not depend on the order of the candidates.
    """
    best: dict[str, Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: (-c.similarity, c.item, c.query)):
        best.setdefault(candidate.item, candidate)
    return [*best.values()]


def located(path: str, folder: Path) -> str:
    """Return where an image is that the table of a folder names: clip-retrieval's inference writes paths as they are from the folder it ran
    in, and the table lies in or below that folder."""
    tried = (base / path for base in (folder, *folder.resolve().parents))
    return str(next((file for file in tried if file.is_file()), folder / path))


def caption_of(metadata: Mapping[str, Any]) -> str | None:
    """Return the caption in one row of an index's metadata; None where it has none."""
    lower = {str(key).lower(): value for key, value in metadata.items()}
    return _text(lower.get("caption", lower.get("text")))


def write_candidates(path: Path, candidates: Iterable[Candidate]) -> None:
    """Write candidates as parquet, complete or not at all."""
    write_rows(path, Candidate, candidates)


def read_candidates(path: Path, *, images: bool = True) -> list[Candidate]:
    """Read what :func:`write_candidates` wrote; without ``images`` the encoded images stay on the disk.

    Raises:
        InputError: the file is no such table.
    """
    return read_rows(path, Candidate, "candidates of a search", without=() if images else ("image",))


def _text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return str(value) or None
