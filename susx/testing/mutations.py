"""Damage by dice: what a disk, a network or a stranger may make of a file."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

__all__ = ["mutated"]

_PIECES = (b"\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"NaN", b"null", b"-1", b"1e999", b"[", b"{", b'"', b"\n", b"\r\n\r\n",
           b"\xed\xa0\x80", b"\xe2\x80\xa8", b"../", b"*a", b"&a ", b"%s")  # fmt: skip
"""Values that parsers trip over: ends of integer ranges, numbers that are none, brackets, line ends, surrogates."""


def mutated(data: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """Return ``data`` changed in one to four places: set, cut, inserted, removed, doubled, moved, spliced with ``others``.

    >>> mutated(b"abc", Random(0)) == mutated(b"abc", Random(0))
    True
    """
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        offset, length = random.randrange(len(changed) + 1), random.choice((1, 2, 4, 16, 64))
        kind = random.choice(("flip", "set", "cut", "insert", "remove", "double", "move", "splice"))
        if kind == "flip" and offset < len(changed):
            changed[offset] ^= 1 << random.randrange(8)
        elif kind == "set":
            changed[offset : offset + length] = random.randbytes(min(length, len(changed) - offset))
        elif kind == "cut":
            del changed[offset:]
        elif kind == "insert":
            changed[offset:offset] = random.choice(_PIECES) * random.choice((1, 1, 1, 1000))
        elif kind == "remove":
            del changed[offset : offset + length]
        elif kind in ("double", "move"):
            piece = changed[offset : offset + length]
            if kind == "move":
                del changed[offset : offset + length]
            to = random.randrange(len(changed) + 1)
            changed[to:to] = piece
        elif kind == "splice" and others:
            other = random.choice(others)
            changed[offset:] = other[random.randrange(len(other) + 1) :]
    return bytes(changed)
