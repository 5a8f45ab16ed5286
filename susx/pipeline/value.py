"""The value of an artefact: what its step returned, in one file beside the images or folders that it made."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from susx.store import ArtefactStore, Ref
from susx.store.values import read_value, write_value

__all__ = ["VALUE", "keep", "load"]

V = TypeVar("V")

VALUE = "value.safetensors"


def keep(folder: Path, value: Any) -> None:
    """Write the value of an artefact into its folder."""
    write_value(folder / VALUE, value)


def load(store: ArtefactStore, ref: Ref, kind: type[V]) -> V:
    """Read the value of an artefact, or the one that a ref to a part means."""
    return read_value(store.path(ref, ref.part or VALUE), kind, "Run the same command again.")
