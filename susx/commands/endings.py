"""What a file to write may end in: an ending that says another format than the one written is refused before any work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from susx.errors import ConfigError

__all__ = ["JsonFile", "a_folder", "ends_in", "format_of"]

_FILES = frozenset(
    [
        ".arrow",
        ".csv",
        ".h5",
        ".hdf5",
        ".html",
        ".jpg",
        ".json",
        ".jsonl",
        ".npy",
        ".npz",
        ".onnx",
        ".parquet",
        ".png",
        ".pt",
        ".pth",
        ".safetensors",
        ".tar",
        ".tsv",
        ".txt",
        ".xlsx",
        ".yaml",
        ".yml",
        ".zip",
    ]
)
"""Endings of files. A folder may have a dot in its name (``features-v1.2``), but not one of these at its end."""

P = TypeVar("P", str, Path)


def ends_in(*endings: str) -> Callable[[P | None], P | None]:
    """Return a check of an option: the file to write ends in one of these; "" stands for no ending, "-" is always right."""
    named = " or ".join(ending or "nothing" for ending in endings)

    def check(value: P | None) -> P | None:
        if value is not None and str(value) != "-" and Path(value).suffix.lower() not in endings:
            raise ConfigError(
                f"{value} does not end in {named}, which says what is written to it; give such a name."
            )
        return value

    return check


def a_folder(value: Path | None) -> Path | None:
    """Check an option: what is written is a folder, so its name is not that of a file."""
    if value is not None and value.suffix.lower() in _FILES:
        raise ConfigError(
            f"{value} ends in {value.suffix}, and what is written is a folder; give the name of a folder."
        )
    return value


def format_of(
    out: Path | None, asked: str | None, endings: Mapping[str, tuple[str, ...]], default: str | None = None
) -> str:
    """Return the format of a file to write: what was asked for, else what its ending says, else the default.

    Args:
        out: the file; None is standard output.
        asked: the value of ``--format``, None where it was not given.
        endings: format -> the endings that say it.
        default: of standard output and of a name without an ending; None where there is none.

    Raises:
        ConfigError: the ending says another format than asked for, or none of them.
    """
    ending = "" if out is None else out.suffix.lower()
    by_ending = next((form for form, endings_of in endings.items() if ending in endings_of), None)
    if asked is not None:
        if by_ending not in (None, asked):
            raise ConfigError(
                f"{out} ends in {ending}, which is {by_ending}, and --format is {asked}; give one that fits the other."
            )
        return asked
    if by_ending is None and (ending or default is None):
        endings_of = ", ".join(f"{endings_of[0]} ({form})" for form, endings_of in endings.items())
        raise ConfigError(f"{out} does not say its format: it ends in none of {endings_of}. Give --format.")
    return by_ending or str(default)


JsonFile = Annotated[
    str | None,
    typer.Option(
        "--json",
        help="Also write it as JSON to this file; - for standard output.",
        callback=ends_in(".json", ""),
    ),
]
"""Option of the commands that write for programs what they print for people."""
