"""``classifier.json``: what a classifier is made of, with the digests of its other files and of itself."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

import susx
from susx.config import EncoderConfig
from susx.errors import DamagedArtefact, InputError

__all__ = ["FORMAT", "JSON", "STATE", "SUPPORT", "TABLE", "Description", "read_description"]

FORMAT: Final = 2
JSON, STATE, SUPPORT, TABLE = (
    "classifier.json",
    "classifier.safetensors",
    "support.safetensors",
    "support.jsonl",
)

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Encoder(_Strict):
    """How to load the encoder, and sha256 over its architecture and weights."""

    config: EncoderConfig
    digest: str


class Prompts(_Strict):
    """Kind of the sentences and digest over them."""

    kind: str
    digest: str


class MethodName(_Strict):
    """For people; the fitted method itself is in its own file."""

    name: str
    hyper_parameters: dict[str, Any]


class Calibration(_Strict):
    """Temperature, the labelled images it was fitted on, if any, and how many of them there were."""

    temperature: Annotated[FiniteFloat, Field(gt=0)]
    on: str
    images: Annotated[int, Field(ge=0)] | None = None


class Rejected(_Strict):
    """Cosines, the estimated share of outsiders that each lets in, the share of named pictures it keeps, and what that was estimated from."""

    thresholds: Annotated[tuple[FiniteFloat, ...], Field(min_length=1)]
    let_in: tuple[Share, ...]
    kept: tuple[Share, ...]
    inside: Share
    named: int
    pool: int

    @model_validator(mode="after")
    def _one_length(self) -> Rejected:
        if not len(self.thresholds) == len(self.let_in) == len(self.kept):
            raise ValueError("thresholds, let_in and kept are of different lengths")
        return self


class Description(_Strict):
    """Everything in ``classifier.json``. ``files`` are digests of the files beside it."""

    format: Literal[2] = FORMAT
    susx: str
    dataset: str
    class_names: Annotated[tuple[str, ...], Field(min_length=1)]
    encoder: Encoder
    prompts: Prompts
    method: MethodName
    tuning: str
    calibration: Calibration
    licences: tuple[str, ...]
    toy: bool
    files: dict[Literal["classifier.safetensors", "support.safetensors", "support.jsonl"], Digest]
    rejection: Rejected | None = None
    digest: str = ""
    """Sha256 over all of the above: a changed byte in this file is noticed like one in the others."""

    def sealed(self) -> Description:
        """Return it with its own digest."""
        # Classifiers from before there was a rejection, or a number of images, have none in their digest.
        content = self.model_dump(mode="json", exclude={"digest"})
        if self.rejection is None:
            del content["rejection"]
        if self.calibration.images is None:
            del content["calibration"]["images"]
        text = json.dumps(content, sort_keys=True)
        return self.model_copy(update={"digest": hashlib.sha256(text.encode()).hexdigest()})


def read_description(folder: Path) -> Description:
    """Read ``classifier.json``.

    Raises:
        InputError: there is none, it is no such description, or one of another version of susx.
        DamagedArtefact: it was altered after it was written.
    """
    path = folder / JSON
    if not path.is_file():
        raise InputError(f"There is no classifier in {folder} (expected {JSON}). {_instead(folder)}")
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text)
        version, writer = data["format"], data.get("susx", "unknown")
        if version != FORMAT:
            raise InputError(
                f"{path} has format {version!r}, this susx {susx.__version__} reads {FORMAT}. Use the susx that wrote it"
                f" ({writer!r}), or build it anew."
            )
        description = Description.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))[:100] or "the file"
        raise InputError(
            f"{path} is not a classifier's description: {where}: {first['msg']}. Build it anew."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is not a classifier's description ({error}). Build it anew.") from error
    if description.sealed().digest != description.digest:
        raise DamagedArtefact(f"{path} is altered; copy the whole classifier again, or build it anew.")
    return description


def _instead(folder: Path) -> str:
    if (folder / "bundle.json").is_file():
        return "It holds a bundle: give it with --bundle."
    return "Give the 'classifier' folder of a build."
