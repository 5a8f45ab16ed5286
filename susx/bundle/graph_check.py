"""What an ONNX file asks for, read before any runtime opens it: only standard operators, no data outside its folder.

The file is a stranger's. onnxruntime would look for external data wherever the file says, and operators of other domains are somebody's
own code. A walk over the protobuf needs neither the package ``onnx`` nor the weights: their bytes are stepped over.
Field numbers are those of onnx.proto (ONNX 1.0 to 1.23).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from susx.errors import InputError

__all__ = ["STANDARD", "GraphFacts", "check_graph", "read_graph"]

STANDARD = frozenset({"", "ai.onnx"})
"""Domains of operators that the ONNX standard defines."""

_DEEPEST = 32
"""Graphs within graphs (branches of If, bodies of Loop)."""


@dataclass
class GraphFacts:
    """What was seen of a file: domains of operators, and places of external data."""

    domains: set[str] = field(default_factory=set)
    places: set[str] = field(default_factory=set)


def check_graph(path: Path, beside: frozenset[str] = frozenset()) -> None:
    """Refuse a file that asks for more than standard operators and data in files of the bundle.

    Args:
        path: the ONNX file.
        beside: names of files in its folder that it may keep data in.

    Raises:
        InputError: it is no ONNX file, or asks for more; says for what.
    """
    seen = read_graph(path)
    if strange := sorted(seen.domains - STANDARD):
        raise InputError(
            f"{path} uses operators of {', '.join(repr(name[:60]) for name in strange[:3])}; only those of the ONNX standard are run. "
            "Export the bundle anew."
        )
    if outside := sorted(seen.places - beside):
        raise InputError(
            f"{path} keeps data in {outside[0][:120]!r}, which is no file of its bundle. Nothing outside the folder is read; export the "
            "bundle anew."
        )


def read_graph(path: Path) -> GraphFacts:
    """Return what an ONNX file asks for.

    Raises:
        InputError: it cannot be read as ONNX.
    """
    facts = GraphFacts()
    try:
        with (
            open(path, "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
            memoryview(data) as view,
        ):
            graphs = 0
            for number, start, end in _fields(view, 0, len(view)):
                if number == 7:
                    graphs += 1
                    _graph(view, start, end, facts, 0)
                elif number == 8:
                    facts.domains.add(_text_of(view, start, end, 1))
                elif number == 25:  # functions of its own
                    _nodes(view, start, end, 7, facts, 0)
                    facts.domains.add(_text_of(view, start, end, 10))
                elif number == 20:
                    raise _Malformed("it holds instructions for training")
            if graphs != 1:
                raise _Malformed("it holds no graph")
    except (OSError, ValueError, _Malformed) as error:
        raise InputError(
            f"{path} is no whole ONNX file ({error}). Copy the bundle again, or export it anew."
        ) from error
    return facts


class _Malformed(Exception):
    """Bytes that are no protobuf of the kind."""


def _graph(view: memoryview, start: int, end: int, facts: GraphFacts, depth: int) -> None:
    if depth > _DEEPEST:
        raise _Malformed("graphs within graphs without end")
    _nodes(view, start, end, 1, facts, depth)
    for number, a, b in _fields(view, start, end):
        if number == 5:
            _tensor(view, a, b, facts)
        elif number == 15:
            _sparse(view, a, b, facts)


def _nodes(view: memoryview, start: int, end: int, wanted: int, facts: GraphFacts, depth: int) -> None:
    for number, a, b in _fields(view, start, end):
        if number != wanted:
            continue
        facts.domains.add(_text_of(view, a, b, 7))
        for inner, c, d in _fields(view, a, b):
            if inner == 5:
                _attribute(view, c, d, facts, depth)


def _attribute(view: memoryview, start: int, end: int, facts: GraphFacts, depth: int) -> None:
    for number, a, b in _fields(view, start, end):
        if number in (5, 10):
            _tensor(view, a, b, facts)
        elif number in (6, 11):
            _graph(view, a, b, facts, depth + 1)
        elif number in (22, 23):
            _sparse(view, a, b, facts)


def _sparse(view: memoryview, start: int, end: int, facts: GraphFacts) -> None:
    for number, a, b in _fields(view, start, end):
        if number in (1, 2):
            _tensor(view, a, b, facts)


def _tensor(view: memoryview, start: int, end: int, facts: GraphFacts) -> None:
    for number, a, b in _fields(view, start, end):
        if number == 13 and _text_of(view, a, b, 1) == "location":
            facts.places.add(_text_of(view, a, b, 2))


def _text_of(view: memoryview, start: int, end: int, wanted: int) -> str:
    text = ""
    for number, a, b in _fields(view, start, end):
        if number == wanted:  # of a field given twice the last counts
            text = bytes(view[a:b]).decode("utf-8")
    return text


def _fields(view: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (number, start, end) of the fields of a message that have a length; numbers are stepped over."""
    offset = start
    while offset < end:
        key, offset = _varint(view, offset, end)
        number, kind = key >> 3, key & 7
        if kind == 2:
            length, offset = _varint(view, offset, end)
            if offset + length > end:
                raise _Malformed("it is cut off")
            yield number, offset, offset + length
            offset += length
        elif kind == 0:
            _, offset = _varint(view, offset, end)
        elif kind in (1, 5):
            offset += 8 if kind == 1 else 4
        else:
            raise _Malformed("it is no protobuf")
    if offset != end:
        raise _Malformed("it is cut off")


def _varint(view: memoryview, offset: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while offset < end and shift < 70:
        byte = view[offset]
        value |= (byte & 0x7F) << shift
        offset, shift = offset + 1, shift + 7
        if byte < 0x80:
            return value, offset
    raise _Malformed("it is cut off")
