"""Which settings are ingredients of a result: said once, on the field of the configuration.

A field marked :class:`NotInKey` says how the work is done (device, batch size, patience with a server): another value gives the same
result, and makes nothing stale. A field marked :class:`Identified` chooses something whose content is fingerprinted; a stage's key
has the fingerprint in its place.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from susx.types import Json

__all__ = ["Identified", "NotInKey", "ingredients"]


@dataclass(frozen=True)
class NotInKey:
    """Marks a field that changes no result."""


@dataclass(frozen=True)
class Identified:
    """Marks a field that a fingerprint stands for in keys."""


def ingredients(config: BaseModel, *, identified: bool = True) -> dict[str, Json]:
    """Return the values of a configuration that decide a result, those of the groups in it included.

    Args:
        config: a section of a profile, or all of it.
        identified: whether to keep the fields that a fingerprint can stand for.

    >>> from susx.config import EncoderConfig
    >>> ingredients(EncoderConfig(model="susx-tiny", device="cuda", batch_size=8))
    {'model': 'susx-tiny', 'pretrained': '', 'precision': 'fp32'}
    """
    values = config.model_dump(mode="json")
    for name, field in type(config).model_fields.items():
        marks = {type(mark) for mark in field.metadata}
        if NotInKey in marks or (Identified in marks and not identified):
            del values[name]
        elif isinstance(inside := getattr(config, name), BaseModel):
            values[name] = ingredients(inside, identified=identified)
    return values
