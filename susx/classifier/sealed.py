"""JSON descriptions that hold the digests of their neighbours and of themselves: a classifier's and a bundle's are read by the same rules."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

import susx
from susx.errors import DamagedArtefact, InputError

__all__ = ["Digest", "Sealed", "Share", "Strict", "read_sealed"]

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]


class Strict(BaseModel):
    """A part of a description: nothing is converted, nothing unknown is passed over."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Sealed(Strict):
    """A description with its own digest: a changed byte in it is noticed like one in the files beside it."""

    digest: str = ""
    """Sha256 over all the rest."""

    def content(self) -> dict[str, Any]:
        """Return what the digest is over."""
        raise NotImplementedError

    def sealed(self: S) -> S:
        """Return it with its own digest."""
        text = json.dumps(self.content(), sort_keys=True)
        return self.model_copy(update={"digest": hashlib.sha256(text.encode()).hexdigest()})


S = TypeVar("S", bound=Sealed)


def read_sealed(path: Path, kind: type[S], version: int, what: str, advice: str) -> S:
    """Read a description.

    Args:
        path: its file, which is there.
        kind: the model of it.
        version: the ``format`` that this susx reads.
        what: what is described, such as ``bundle``.
        advice: what makes another one, such as ``export it anew``.

    Raises:
        InputError: it is no such description, or one of another version of susx.
        DamagedArtefact: it was altered after it was written.
    """
    again = f"{advice[:1].upper()}{advice[1:]}."
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text)
        if not isinstance(data, dict):
            raise ValueError(f"expected an object, found a {type(data).__name__}")
        written, writer = data["format"], data.get("susx", "unknown")
        if written != version:
            raise InputError(
                f"{path} has format {written!r}, and this susx {susx.__version__} reads {version}. Use the susx that wrote it"
                f" ({writer!r}), or {advice}."
            )
        description = kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))[:100] or "the file"
        raise InputError(f"{path} is not a {what}'s description: {where}: {first['msg']}. {again}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is not a {what}'s description ({error}). {again}") from error
    if description.sealed().digest != description.digest:
        raise DamagedArtefact(f"{path} is altered; copy the whole {what} again, or {advice}.")
    return description
