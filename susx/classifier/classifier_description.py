"""``classifier.json``: what a classifier is made of, with the digests of its other files and of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, FiniteFloat

from susx.classifier.sealed import Digest, Rejected, Sealed, Strict, read_sealed
from susx.config import EncoderConfig
from susx.errors import InputError

__all__ = ["FORMAT", "JSON", "STATE", "SUPPORT", "TABLE", "Description", "read_description"]

FORMAT: Final = 2
JSON, STATE, SUPPORT, TABLE = (
    "classifier.json",
    "classifier.safetensors",
    "support.safetensors",
    "support.jsonl",
)


class Encoder(Strict):
    """How to load the encoder, and sha256 over its architecture and weights."""

    config: EncoderConfig
    digest: str


class Prompts(Strict):
    """Kind of the sentences and digest over them."""

    kind: str
    digest: str


class MethodName(Strict):
    """For people; the fitted method itself is in its own file."""

    name: str
    hyper_parameters: dict[str, Any]


class Calibration(Strict):
    """Temperature, the labelled images it was fitted on, if any, and how many of them there were."""

    temperature: Annotated[FiniteFloat, Field(gt=0)]
    on: str
    images: Annotated[int, Field(ge=0)] | None = None


class Description(Sealed):
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

    def content(self) -> dict[str, Any]:
        """Return what the digest is over."""
        # Classifiers from before there was a rejection, or a number of images, have none in their digest.
        content = self.model_dump(mode="json", exclude={"digest"})
        if self.rejection is None:
            del content["rejection"]
        if self.calibration.images is None:
            del content["calibration"]["images"]
        return content


def read_description(folder: Path) -> Description:
    """Read ``classifier.json``.

    Raises:
        InputError: there is none, it is no such description, or one of another version of susx.
        DamagedArtefact: it was altered after it was written.
    """
    path = folder / JSON
    if not path.is_file():
        raise InputError(f"There is no classifier in {folder} (expected {JSON}). {_instead(folder)}")
    return read_sealed(path, Description, FORMAT, "classifier", "build it anew")


def _instead(folder: Path) -> str:
    if (folder / "bundle.json").is_file():
        return "It holds a bundle: give it with --bundle."
    return "Give the 'classifier' folder of a build."
