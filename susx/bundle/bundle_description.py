"""``bundle.json``: what a bundle is made of, with the digests of its other files and of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, FiniteFloat

from susx.bundle.pixels import PixelRule
from susx.classifier.sealed import Digest, Sealed, Share, Strict, read_sealed
from susx.encoder_id import EncoderId
from susx.errors import InputError
from susx.rejection import Rejection

__all__ = [
    "FILES",
    "FORMAT",
    "JSON",
    "Calibration",
    "Description",
    "EncoderFacts",
    "MethodFacts",
    "Quantised",
    "TextFacts",
    "read_description",
]

FORMAT: Final = 1
JSON = "bundle.json"

FileName = Literal[
    "image.onnx", "image.onnx.data", "head.onnx", "classes.npy", "support.npy", "support.jsonl", "text.onnx", "text.onnx.data",
    "tokenizer.json", "folder.npz",
]  # fmt: skip

FILES: Final = frozenset(FileName.__args__)  # type: ignore[attr-defined]
"""Every file that a bundle may have beside its description."""


class EncoderFacts(Strict):
    """Which encoder, and the name of its weights; width of the features; scale and bias of the cosines."""

    id: EncoderId
    pretrained: str
    dim: Annotated[int, Field(ge=1)]
    logit_scale: FiniteFloat
    logit_bias: FiniteFloat | None


class MethodFacts(Strict):
    """For people: the method's name, fields, and one sentence; whether the class prompts decide alone, and how far each class's images are trusted."""

    name: str
    hyper_parameters: dict[str, Any]
    sentence: str
    is_zero_shot: bool
    tuning: str
    class_trust: tuple[Share, ...] = ()


class Calibration(Strict):
    """Temperature, the labelled images it was fitted on, if any, and how many of them there were."""

    temperature: Annotated[FiniteFloat, Field(gt=0)]
    on: str
    images: Annotated[int, Field(ge=0)]


class Quantised(Strict):
    """What the graphs were brought to, and what became of the answers on export."""

    to: Literal["int8", "fp16"]
    how: str
    sentence: str


class TextFacts(Strict):
    """How sentences become tokens (:mod:`susx.bundle.tokenize_texts`)."""

    kind: Literal["clip", "tokenizers"]
    clean: Literal["lower", "whitespace", "canonicalize", "none"]
    context: Annotated[int, Field(ge=1)]
    pad: int = 0
    start: int | None = None
    end: int | None = None


class Description(Sealed):
    """Everything in ``bundle.json``. ``files`` are digests of the files beside it."""

    format: Literal[1] = FORMAT
    susx: str
    dataset: str
    class_names: Annotated[tuple[str, ...], Field(min_length=1)]
    encoder: EncoderFacts
    pixels: PixelRule
    prompts: str
    method: MethodFacts
    calibration: Calibration
    rejection: Rejection | None
    licences: tuple[str, ...]
    toy: bool
    warning: str
    notes: tuple[str, ...]
    inputs: tuple[Literal["features", "patches", "adapted"], ...] = ("features",)
    """What the image graph gives and the head takes, in order."""
    quantised: Quantised | None = None
    text: TextFacts | None = None
    checked: str
    """One sentence: how near graphs and library were on export, on how many pictures."""
    files: dict[FileName, Digest]

    def content(self) -> dict[str, Any]:
        """Return what the digest is over."""
        # Without defaults: a field that a later version adds changes no digest of what was written before.
        content = self.model_dump(mode="json", exclude={"digest"}, exclude_defaults=True)
        return content


def read_description(folder: Path) -> Description:
    """Read ``bundle.json``.

    Raises:
        InputError: there is none, it is no such description, or one of another version of susx.
        DamagedArtefact: it was altered after it was written.
    """
    path = folder / JSON
    if not path.is_file():
        hint = (
            " It holds a classifier: give it with --classifier, or make a bundle of it with susx export --format bundle."
            if (folder / "classifier.json").is_file() or (folder / "classifier" / "classifier.json").is_file()
            else " Give the folder that susx export --format bundle wrote."
        )
        raise InputError(f"There is no bundle in {folder} (expected {JSON}).{hint}")
    return read_sealed(path, Description, FORMAT, "bundle", "export it anew")
