"""Records that travel between the packages: prompts, images and their fate.

The class travels with every record as (``class_id``, ``class_name``); a label is never read back from a folder
name or a sort order.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal, TypeAlias

from pydantic import TypeAdapter

__all__ = ["EXPORTED_CLASSES", "ORIGINS", "Origin", "Prompt", "SupportRow", "decode_rows", "encode_rows"]

ORIGINS, EXPORTED_CLASSES = "origins.csv", "classes.json"
"""Files of every exported support set: an image a row with what is known of it, and the classes in label order."""

Origin: TypeAlias = Literal["generated", "retrieved", "provided", "predicted"]
"""Where an image and its class come from: drawn for the class, found for it, given it by a person, or given it by susx."""


@dataclass(frozen=True)
class Prompt:
    """One sentence about one class.

    ``kind`` is photo, ensemble, cupl ...; ``index`` is its place among the sentences of its class and kind.
    """

    class_name: str
    text: str
    kind: str
    index: int


@dataclass(frozen=True)
class SupportRow:
    """One candidate support image, kept or rejected.

    Attributes:
        class_name: the class it stands for (the identity; ids are positions in one data set's list).
        file: path of the image inside its artefact, or "" when there never was one.
        digest: sha256 of the image file, or "" when there is none.
        origin: generated, retrieved, provided (a person said its class) or predicted (``susx label`` did).
        prompt: the sentence it was drawn or searched with.
        seed: derived seed of a generated image, else None.
        url, caption, similarity: of a retrieved image (cosine of query and image), else None.
        model: encoder or diffusion model with its revision or digest.
        licence, nsfw: where the index has them, else None. ``nsfw`` is a probability or the index's own word.
        width, height: pixels after decoding, 0 when undecodable.
        phash: 64-bit perceptual hash in hexadecimal, or "".
        path: of the original, where the image is a copy of a file of one's own (below the folder of the examples, or where the index names it).
        original_digest: sha256 of the bytes that the image was decoded from, as they were in that file or as the server sent them.
        author, page: who made a retrieved image, and the page that shows it, where the source says so.
        cite: how the collection that it comes from asks to be cited.
        rejected: "" when kept, else the name of the rule that rejected it.
        detail: one sentence on the rejection.
    """

    class_name: str
    file: str
    digest: str
    origin: Origin
    prompt: str
    seed: int | None = None
    url: str | None = None
    caption: str | None = None
    similarity: float | None = None
    model: str = ""
    licence: str | None = None
    nsfw: str | None = None
    width: int = 0
    height: int = 0
    phash: str = ""
    rejected: str = ""
    detail: str = ""
    path: str | None = None
    original_digest: str | None = None
    author: str | None = None
    page: str | None = None
    cite: str | None = None

    def reject(self, rule: str, detail: str = "") -> SupportRow:
        """Return a copy marked as rejected by ``rule``."""
        return dataclasses.replace(self, rejected=rule, detail=detail)

    def shared(self) -> SupportRow:
        """Return the row as others may see it: of the original's path its name and folder, and nothing of whose machine it lies on."""
        return (
            self
            if self.path is None
            else dataclasses.replace(self, path="/".join(PurePath(self.path).parts[-2:]))
        )

    @property
    def kept(self) -> bool:
        """Whether no rule has rejected the image so far."""
        return not self.rejected


def encode_rows(rows: Iterable[SupportRow]) -> bytes:
    """Return rows as JSON, one a line, as they are shipped. Pure ASCII: no character of a caption can end a line or fail to be encoded."""
    return b"".join(json.dumps(dataclasses.asdict(row), sort_keys=True).encode() + b"\n" for row in rows)


def decode_rows(data: bytes) -> list[SupportRow]:
    """Return the rows that :func:`encode_rows` wrote.

    Only ``\\n`` ends a row: ``splitlines`` would cut a caption at U+2028, U+0085 and seven more.

    Raises:
        ValueError, TypeError: it is not such a table.
    """
    # Python's own values, not JSON text: pydantic's parser refuses half a character. SupportRow itself refuses fields it has not.
    rows = (vars(SupportRow(**json.loads(line))) for line in data.split(b"\n") if line)
    return [_reader().validate_python(row) for row in rows]


@functools.cache
def _reader() -> Any:
    return TypeAdapter(SupportRow)
