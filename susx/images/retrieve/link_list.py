"""A prepared list of links: parquet or CSV with the columns url and caption, and optionally licence and NSFW."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susx.errors import InputError, did_you_mean
from susx.text_file import csv_text

__all__ = ["Link", "read_link_list"]


@dataclass(frozen=True)
class Link:
    """One row of the list."""

    url: str
    caption: str = ""
    licence: str = ""
    nsfw: str = ""


_COLUMNS = {
    "url": ("url",),
    "caption": ("caption", "text", "alt_text"),
    "licence": ("license", "licence"),
    "nsfw": ("punsafe", "nsfw"),
}


def read_link_list(path: Path) -> list[Link]:
    """Read a list; rows without a URL and repeated URLs are dropped.

    Raises:
        InputError: there is no such file, it is neither parquet nor CSV, or has no column url.
    """
    import pandas as pd

    if not path.is_file():
        raise InputError(f"There is no list of links at {path}.")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else _csv(path)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path} is neither parquet nor CSV: {error}.") from error
    names = {str(name).lower(): name for name in table.columns}
    if "url" not in names:
        raise InputError(f"{path} has no column 'url'.{did_you_mean('url', names)}")
    column_of = {
        field: next((names[n] for n in usual if n in names), None) for field, usual in _COLUMNS.items()
    }
    links: dict[str, Link] = {}
    columns = {field: table[name].tolist() for field, name in column_of.items() if name is not None}
    for number in range(len(table)):
        values = {field: _text(column[number]) for field, column in columns.items()}
        if values["url"] and values["url"] not in links:
            links[values["url"]] = Link(**values)
    return list(links.values())


def _csv(path: Path) -> Any:
    import pandas as pd

    # "NA", "None" and "null" are words of captions too.
    text, delimiter = csv_text(path, error=InputError)
    return pd.read_csv(io.StringIO(text), sep=delimiter, dtype=str, keep_default_na=False)


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value).strip()
