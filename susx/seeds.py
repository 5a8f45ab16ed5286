"""Derived seeds: one root, one seed per thing that is random, no global state."""

from __future__ import annotations

import hashlib

__all__ = ["derive_seed"]


def derive_seed(root: int, *parts: str | int) -> int:
    """Return a seed in [0, 2**63) that depends on every part and on nothing else.

    The parts are hashed with their types and lengths, so ``("a", "bc")`` and ``("ab", "c")`` differ, as do
    ``1`` and ``"1"``.

    >>> derive_seed(0, "dtd", "banded", 3) == derive_seed(0, "dtd", "banded", 3)
    True
    >>> derive_seed(0, "ab", "c") == derive_seed(0, "a", "bc")
    False
    """
    digest = hashlib.sha256()
    for part in (root, *parts):
        data = f"{type(part).__name__}:{part}".encode()
        digest.update(f"{len(data)}:".encode() + data)
    return int.from_bytes(digest.digest()[:8], "big") >> 1
