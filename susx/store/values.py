"""One file format for what stages make: a frozen dataclass, its tensors in the body of a safetensors file, all else as JSON in its metadata.

Fields are read by their annotations, so that a value comes back as the types that were written. Equal values give equal bytes.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter

from susx.errors import InputError
from susx.modes import plain_mode

__all__ = ["read_value", "value_to_bytes", "write_value"]

V = TypeVar("V")

_ENTRY = "susx"
"""Of the metadata: one, for safetensors writes several in an order that differs from run to run."""


def value_to_bytes(value: Any) -> bytes:
    """Return a frozen dataclass as a file. A field marked ``metadata={"kept": False}`` is left out."""
    from safetensors.torch import save
    from torch import Tensor

    content = {field.name: getattr(value, field.name) for field in _kept(type(value))}
    # No two names of a file may be the same memory.
    tensors = {
        name: item.detach().contiguous().clone() for name, item in content.items() if isinstance(item, Tensor)
    }
    facts = {name: item for name, item in content.items() if name not in tensors}
    data: bytes = save(tensors, metadata={_ENTRY: json.dumps(facts, sort_keys=True, default=_plain)})
    return data


def write_value(path: Path, value: Any) -> None:
    """Write a frozen dataclass.

    Raises:
        InputError: the file cannot be written.
    """
    data = value_to_bytes(value)
    try:
        path.write_bytes(data)
        plain_mode(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error}). Choose another place.") from error


def read_value(path: Path, kind: type[V], advice: str = "Make it again.") -> V:
    """Read what :func:`write_value` wrote.

    Raises:
        InputError: there is no such file, it is no safetensors file, or its fields are not those of ``kind``; ends with ``advice``.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get(_ENTRY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        return _built(kind, facts, tensors)
    except (OSError, SafetensorError, TypeError, ValueError, AttributeError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path} cannot be read as {kind.__name__} ({reason}). {advice}") from error


def _built(kind: type[V], facts: Mapping[str, Any], tensors: Mapping[str, Any]) -> V:
    names = {field.name for field in _kept(kind)}
    if unknown := {*facts, *tensors} - names:
        raise ValueError(f"it holds {', '.join(sorted(unknown))}")
    # Python's own values, not JSON text: pydantic's parser refuses the lone surrogates that captions and file names may hold.
    read = {name: _reader(kind, name).validate_python(value) for name, value in facts.items()}  # type: ignore[arg-type]
    return kind(**read, **tensors)


def _kept(kind: type) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(kind) if field.metadata.get("kept", True)]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no part of a value")


@functools.cache
def _reader(kind: Any, name: str) -> Any:
    hint = typing.get_type_hints(kind)[name]
    if dataclasses.is_dataclass(hint):
        return TypeAdapter(hint)
    return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
