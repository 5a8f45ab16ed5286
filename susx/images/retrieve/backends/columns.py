"""Which columns of a table of images say what: captions, labels, the image or its link, licence, author."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from susx.errors import ConfigError, RetrievalError, did_you_mean
from susx.images.retrieve.candidates import AUTHOR, PAGE, Candidate
from susx.images.retrieve.queries import Query

__all__ = ["Columns", "image_bytes", "label_names", "names_of_feature", "row_candidate", "text_cell"]

_NAMES: Mapping[str, tuple[str, ...]] = {
    "caption": ("caption", "text", "alt_text", "title", "description", "caption_text"),
    "label": ("label", "labels", "class", "class_name", "category", "displayname", "fine_label"),
    "image": ("image", "img", "jpg", "png", "webp", "image_bytes", "bytes"),
    "link": ("url", "image_url", "link", "originalurl"),
    "licence": ("license", "licence"),
    "nsfw": ("punsafe", "nsfw"),
    "author": AUTHOR,
    "page": PAGE,
}
"""What is meant -> usual names of its column, in any case, the better one first."""


@dataclass(frozen=True)
class Columns:
    """Column of each thing, "" where the table has none."""

    caption: str = ""
    label: str = ""
    image: str = ""
    link: str = ""
    licence: str = ""
    nsfw: str = ""
    author: str = ""
    page: str = ""

    @classmethod
    def of(
        cls, names: Sequence[str], chosen: Mapping[str, str | None], where: str, *, searched: bool = False
    ) -> Columns:  # fmt: skip
        """Find the columns of a table; ``chosen`` are those that a person names, ``searched`` says that there is something else to search by.

        Raises:
            ConfigError: a chosen column is not there.
            RetrievalError: there is nothing to search by, or nothing that is an image.
        """
        lower = {name.lower(): name for name in reversed(names)}
        column_of = {
            what: next((lower[n] for n in usual if n in lower), "") for what, usual in _NAMES.items()
        }
        for what, name in chosen.items():
            if name is not None:
                if name not in names:
                    raise ConfigError(
                        f"retrieval.{what}: {where} has no column '{name}'.{did_you_mean(name, names)}"
                    )
                column_of[what] = name
        columns = cls(**column_of)
        if not searched and not columns.caption and not columns.label:
            raise RetrievalError(
                f"{where} has neither captions nor labels to search by; its columns are {', '.join(names)}. Name one with "
                "--set retrieval.caption=COLUMN or --set retrieval.label=COLUMN."
            )
        if not columns.image and not columns.link:
            raise RetrievalError(
                f"{where} has neither images nor links to them; its columns are {', '.join(names)}. Name one with "
                "--set retrieval.image=COLUMN or --set retrieval.link=COLUMN."
            )
        return columns

    @property
    def searched(self) -> list[str]:
        """Columns that every row is judged by."""
        return list(dict.fromkeys(name for name in (self.caption, self.label, self.licence) if name))

    @property
    def kept(self) -> list[str]:
        """Columns that are read of the rows that are found."""
        return list(dict.fromkeys(name for what in _NAMES if (name := getattr(self, what))))


def label_names(metadata: Mapping[bytes, bytes] | None, column: str) -> list[str]:
    """Return the class names of a column of numbers, as ``datasets`` writes them into a schema; empty where there are none."""
    try:
        feature = json.loads((metadata or {})[b"huggingface"])["info"]["features"][column]
    except (KeyError, ValueError, TypeError):
        return []
    return names_of_feature(feature)


def names_of_feature(feature: Any) -> list[str]:
    """Return the class names of a column's type, as ``datasets`` writes it; empty where it has none."""
    for inner in (feature, feature.get("feature") if isinstance(feature, dict) else None):
        if isinstance(inner, dict) and isinstance(inner.get("names"), list):
            return [str(name) for name in inner["names"]]
    return []


def text_cell(value: Any, names: Sequence[str] = ()) -> list[str]:
    """Return the texts of a cell: a text, a list of them, or numbers of classes.

    >>> text_cell([0, 2], ["cat", "dog"]), text_cell("a cat"), text_cell(None)
    (['cat'], ['a cat'], [])
    """
    if isinstance(value, list):
        return [text for one in value for text in text_cell(one, names)]
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, int) and not isinstance(value, bool):
        return [names[value]] if 0 <= value < len(names) else []
    return []


def image_bytes(value: Any) -> bytes | None:
    """Return the encoded image of a cell: bytes, or a mapping with ``bytes`` as ``datasets`` writes it; None where it has none."""
    if isinstance(value, Mapping):
        value = value.get("bytes")
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) and len(value) else None


def row_candidate(
    query: Query, row: Mapping[str, Any], columns: Columns, labels: Sequence[str], *, source: str, item: str,
    similarity: float = 0.0,
) -> Candidate:  # fmt: skip
    """Return what a row is of: its image by its content, else by its link, else by ``item``, its place in the source."""

    def text(column: str) -> str | None:
        value = row.get(column) if column else None
        return " ".join(text_cell(value)) or (str(value) if isinstance(value, int | float) else None)

    shown = row.get(columns.image) if columns.image else None
    image, link = image_bytes(shown), text(columns.link)
    if image is None and isinstance(shown, str):
        link = link or shown
    caption = text(columns.caption)
    if caption is None and columns.label:
        caption = " ".join(text_cell(row.get(columns.label), labels)) or None
    return Candidate(
        class_name=query.class_name, prompt=query.prompt, query=query.text,
        item=hashlib.sha256(image).hexdigest() if image else link or item, similarity=similarity,
        url=link, image=image, caption=caption, licence=text(columns.licence), nsfw=text(columns.nsfw),
        source=source, author=text(columns.author), page=text(columns.page),
    )  # fmt: skip
