"""Which drawings are not kept: black ones (a safety checker's, or overflow) and ones that look like another class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from PIL import Image

from susx.errors import GenerationError

__all__ = ["Distinctness", "Verdict", "black", "too_alike"]

Score = Callable[[Sequence[Image.Image]], Float[ndarray, "images classes"]]  # type: ignore[type-arg]

#: A picture no pixel of which is brighter than this (of 255) is black: encoders' rounding, no detail.
BLACK = 3


@dataclass(frozen=True)
class Verdict:
    """Why a drawing is rejected: the rule's name and one sentence; both empty when it is kept."""

    rule: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Distinctness:
    """Reject an image whose similarity to another class's prompt exceeds that to its own by more than a margin.

    Attributes:
        classes: class names, in the order of the columns of ``score``.
        score: images -> cosine similarities ``(images, classes)`` with each class's prompt.
        margin: how much more alike another class may be.
        name: of the scoring model; part of the file names, as it decides which drawing is kept.
    """

    classes: Sequence[str]
    score: Score
    margin: float
    name: str

    def identity(self) -> str:
        """What decides a verdict."""
        return f"{self.name} margin={self.margin!r} classes={list(self.classes)!r}"


def black(image: Image.Image, flagged: bool) -> Verdict:
    """Judge one picture; ``flagged`` is the safety checker's own word."""
    if flagged:
        return Verdict("safety-checker", "The model's safety checker blacked the image out.")
    if int(np.asarray(image.convert("L")).max()) <= BLACK:
        return Verdict("black", "The image is black: a safety checker, or an overflow in half precision.")
    return Verdict()


def too_alike(images: Sequence[Image.Image], names: Sequence[str], rule: Distinctness) -> list[Verdict]:
    """Judge pictures of the named classes.

    Raises:
        GenerationError: a class is unknown to the rule, or the scores have another shape.
    """
    columns = {name: column for column, name in enumerate(rule.classes)}
    unknown = sorted(set(names) - set(columns))
    scores = np.asarray(rule.score(images), np.float64)
    if unknown or scores.shape != (len(images), len(columns)):
        raise GenerationError(
            f"Distinctness expects scores of shape {(len(images), len(columns))} and classes among those scored; found "
            f"shape {scores.shape} and unknown classes {unknown}."
        )
    verdicts = []
    for name, row in zip(names, scores, strict=True):
        own_score = row[columns[name]]
        others = np.where(np.arange(len(row)) == columns[name], -np.inf, row)
        rival = int(others.argmax())
        if others[rival] - own_score > rule.margin:
            text = f"It looks more like '{rule.classes[rival]}' ({others[rival]:.3f}) than like '{name}' ({own_score:.3f})."
            verdicts.append(Verdict("indistinct", text))
        else:
            verdicts.append(Verdict())
    return verdicts
