"""The classifier as a folder: what it knows, what it was made of, and how to load it anywhere.

classifier.json          classes, encoder, prompts, method, calibration, licences, digests of the other files
classifier.safetensors   method with hyper-parameters and fitted state
support.safetensors      features of the support images, for explanations (absent without support)
support.jsonl            provenance of the support images, a row a line, in the order of the features
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

import susx
from susx.classifier.classifier_description import (
    JSON,
    STATE,
    SUPPORT,
    TABLE,
    ClassifierFacts,
    Description,
    MethodName,
)
from susx.classifier.predictions import About
from susx.errors import InputError, MismatchError, StoreError
from susx.evaluation.calibration import FEWEST
from susx.methods import Method, parameters
from susx.methods.packaged import Packaged, packaged
from susx.methods.state import Fitted, save_fitted
from susx.methods.zero_shot import ZeroShotState
from susx.modes import plain_mode
from susx.records import SupportRow, encode_rows
from susx.rejection import threshold_of
from susx.store import digest_file

__all__ = ["StoredClassifier", "check_shapes", "save_classifier"]

TOY = (
    "The encoder is the embedded toy. It knows procedural textures alone: of anything else, a cat or a dog, its answers mean "
    "nothing. For real ones build with a profile of real weights ('susx profiles list', for instance --profile clip-vit-b16)."
)


@dataclass(frozen=True)
class StoredClassifier:
    """Everything in the folder: facts, the fitted method, support features and their rows."""

    facts: ClassifierFacts
    fitted: Fitted
    support: Float[Tensor, "support dim"] | None
    rows: tuple[SupportRow, ...]

    @property
    def method(self) -> Method[Any]:
        """The method with its hyper-parameters."""
        return self.fitted.method

    @property
    def state(self) -> Any:
        """What its fit returned."""
        return self.fitted.state

    @property
    def zero_shot(self) -> ZeroShotState:
        """The classifier of class prompts alone."""
        return self.fitted.zero_shot

    def threshold(self, let_in: float) -> float:
        """Return the cosine below which an image is none of the classes, for a share of outsiders that may pass.

        Raises:
            InputError: the share is not between 0 and 1, or nothing is known of outsiders.
        """
        return threshold_of(self.facts.rejection, let_in)

    @property
    def is_zero_shot(self) -> bool:
        """Whether the class prompts decide alone, whatever the method is called."""
        return self.packaged.is_zero_shot

    @property
    def packaged(self) -> Packaged:
        """What is said of its method."""
        return packaged(self.method, self.state, self.facts.tuning)

    @property
    def warning(self) -> str:
        """Why no answer may be believed; "" where there is no such reason."""
        return TOY if self.facts.toy else ""

    @property
    def notes(self) -> list[str]:
        """What whoever reads an answer should know, a sentence or two each."""
        notes = [self.warning] if self.warning else []
        notes.append(self.packaged.sentence[:1].upper() + self.packaged.sentence[1:])
        if not self.facts.calibrated_on:
            notes.append(_uncalibrated(self.facts.calibration_images))
        return notes

    @property
    def about(self) -> About:
        """What its answers are to be read with."""
        facts, packaged_as = self.facts, self.packaged
        return About(
            class_names=facts.class_names, sentence=packaged_as.sentence, method=self.method.name,
            hyper_parameters=parameters(self.method), row_wise=self.method.row_wise, is_zero_shot=packaged_as.is_zero_shot,
            class_trust=packaged_as.class_trust,
            tuning=facts.tuning, calibrated_on=facts.calibrated_on, calibration_images=facts.calibration_images, toy=facts.toy,
            warning=self.warning, notes=tuple(self.notes), encoder=str(facts.encoder),
        )  # fmt: skip


def _uncalibrated(images: int) -> str:
    why = (
        "there were no labelled images to fit a temperature on"
        if not images
        else f"{images} labelled images are too few for a temperature, which takes {FEWEST}"
        if images < FEWEST
        else f"all {images} labelled images are told rightly, which leaves no temperature to fit"
    )
    return f"The probabilities are not calibrated: {why}."


def save_classifier(
    folder: Path,
    facts: ClassifierFacts,
    fitted: Fitted,
    *,
    support_features: Float[Tensor, "support dim"] | None = None,
    support_rows: Sequence[SupportRow] = (),
    force: bool = False,
) -> Path:
    """Write a classifier; the folder is complete or not there at all.

    Args:
        folder: where to; made with its parents.
        facts: what it is made of.
        fitted: a method, what its ``fit`` returned, and zero-shot.
        support_features, support_rows: kept support images, unit rows and their provenance, in the same order.
        force: replace an existing classifier.

    Raises:
        StoreError: the folder holds something else, or a classifier and no ``force``, or cannot be written.
        MismatchError: numbers of classes, features and rows that do not fit each other.
    """
    check_shapes(facts, fitted, support_features, support_rows)
    if folder.exists() and not (folder / JSON).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(f"{folder} exists and is no classifier; give another folder.")
    if (folder / JSON).exists() and not force:
        raise StoreError(f"{folder} holds a classifier already; give another folder, or force to replace it.")
    partial = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}"
    try:
        partial.mkdir(parents=True)
        _write(partial, facts, fitted, support_features, support_rows)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    except OSError as error:
        raise StoreError(f"The classifier cannot be written to {folder}: {error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _write(
    folder: Path,
    facts: ClassifierFacts,
    fitted: Fitted,
    features: Tensor | None,
    rows: Sequence[SupportRow],
) -> None:
    from safetensors.torch import save_file

    save_fitted(folder / STATE, fitted)
    if features is not None and len(features):
        save_file({"image": features.float().contiguous()}, folder / SUPPORT)
        plain_mode(folder / SUPPORT)
        (folder / TABLE).write_bytes(encode_rows(row.shared() for row in rows))
    files = {path.name: digest_file(path) for path in sorted(folder.iterdir())}
    text = _description(facts, fitted.method, files).model_dump_json(indent=1)
    (folder / JSON).write_text(text + "\n", encoding="utf-8")


def _description(facts: ClassifierFacts, method: Method[Any], files: dict[str, str]) -> Description:
    return Description(
        susx=susx.__version__, facts=facts, files=files,  # type: ignore[arg-type]
        method=MethodName(name=method.name, hyper_parameters=parameters(method)),
    ).sealed()  # fmt: skip


def check_shapes(
    facts: ClassifierFacts, fitted: Fitted, features: Tensor | None, rows: Sequence[SupportRow]
) -> None:
    """Refuse names, features and rows that do not fit each other.

    Raises:
        MismatchError, InputError: says which and how many.
    """
    text = fitted.zero_shot.text
    classes = len(text)
    if len(facts.class_names) != classes:
        raise MismatchError(
            f"{len(facts.class_names)} class names, but the method was fitted on {classes} classes."
        )
    if (0 if features is None else len(features)) != len(rows):
        raise MismatchError(
            f"{0 if features is None else len(features)} support features, but {len(rows)} rows of provenance."
        )
    if features is not None and features.shape[1] != text.shape[1]:
        raise MismatchError(
            f"Support features have {features.shape[1]} columns, the text classifier has {text.shape[1]}."
        )
    if not facts.temperature > 0:
        raise InputError(f"The calibration temperature must be greater than 0, found {facts.temperature}.")
