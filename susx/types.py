"""Names for types that several packages share."""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["Digest", "Json"]

Json: TypeAlias = Any
"""A value made of dict, list, str, int, float, bool and None."""

Digest: TypeAlias = str
"""A sha256 in hexadecimal (64 characters)."""
