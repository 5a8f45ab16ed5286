"""What pydantic refused, in words that people read."""

from __future__ import annotations

from pydantic import ValidationError

__all__ = ["complaints"]

_MOST = 3


def complaints(error: ValidationError) -> str:
    """Return the first reasons why values were refused, joined by semicolons.

    >>> from pydantic import TypeAdapter
    >>> try:
    ...     TypeAdapter(int).validate_python("many")
    ... except ValidationError as error:
    ...     print(complaints(error))
    Input should be a valid integer, unable to parse string as an integer
    """
    return "; ".join(item["msg"].removeprefix("Value error, ") for item in error.errors()[:_MOST])
