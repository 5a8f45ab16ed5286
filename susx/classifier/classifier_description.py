"""``classifier.json``: what a classifier is made of, with the digests of its other files and of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, FiniteFloat

from susx.classifier.sealed import Digest, Sealed, Strict, read_sealed
from susx.encoder_id import EncoderId
from susx.errors import InputError
from susx.rejection import Rejection

__all__ = [
    "FORMAT",
    "JSON",
    "STATE",
    "SUPPORT",
    "TABLE",
    "ClassifierFacts",
    "Description",
    "MethodName",
    "read_description",
]

FORMAT: Final = 3
JSON, STATE, SUPPORT, TABLE = (
    "classifier.json",
    "classifier.safetensors",
    "support.safetensors",
    "support.jsonl",
)


@dataclass(frozen=True)
class ClassifierFacts:
    """What a classifier is made of.

    Attributes:
        class_names: column i of the logits is class i.
        encoder: which one; another is refused.
        pretrained: name or path of its weights, as ``encoder.pretrained`` of a profile.
        dataset: name of the data set whose class names these are.
        prompts: kind of the sentences of the text classifier, and ``prompts_digest`` over them.
        tuning: protocol that chose the hyper-parameters.
        temperature: the logits are divided by it before the softmax; 1 when not calibrated.
        calibrated_on: the labelled images the temperature was fitted on ("val", "support"), or "".
        calibration_images: how many of them there were; too few fit no temperature, and ``calibrated_on`` is "".
        licences: notes on what was used, for whoever ships the classifier.
        toy: whether the encoder is the embedded one.
        rejection: what the pool that the support images came from tells of images that are none of the classes.
    """

    class_names: Annotated[tuple[str, ...], Field(min_length=1)]
    encoder: EncoderId
    pretrained: str = ""
    dataset: str = ""
    prompts: str = ""
    prompts_digest: str = ""
    tuning: str = "fixed"
    temperature: Annotated[FiniteFloat, Field(gt=0)] = 1.0
    calibrated_on: str = ""
    calibration_images: Annotated[int, Field(ge=0)] = 0
    licences: tuple[str, ...] = ()
    toy: bool = False
    rejection: Rejection | None = None


class MethodName(Strict):
    """For people; the fitted method itself is in its own file."""

    name: str
    hyper_parameters: dict[str, Any]


class Description(Sealed):
    """Everything in ``classifier.json``. ``files`` are digests of the files beside it."""

    model_config = ConfigDict(revalidate_instances="always")

    format: Literal[3] = FORMAT
    susx: str
    facts: ClassifierFacts
    method: MethodName
    files: dict[Literal["classifier.safetensors", "support.safetensors", "support.jsonl"], Digest]

    def content(self) -> dict[str, Any]:
        """Return what the digest is over."""
        return self.model_dump(mode="json", exclude={"digest"})


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
