"""What is said about images, whatever computed it: torch with a classifier's folder, or onnxruntime with a bundle.

Nothing here imports either: ``predict`` and ``serve`` are written against these records and :class:`Answering` alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from susx.errors import InputError
from susx.records import SupportRow

__all__ = ["About", "Answering", "Neighbour", "Prediction", "Scored", "check_asked"]


@dataclass(frozen=True)
class Scored:
    """A class and its probability, calibrated where ``ClassifierFacts.calibrated_on`` says on what.

    Attributes:
        class_name, probability: among the classes of the classifier, which sum to 1.
        match: for encoders trained with a sigmoid loss (SigLIP), the probability by the class's sentences alone that they fit the
            image at all (Zhai et al., ICCV 2023): near 0 for every class of an image that is none of them; else None.
    """

    class_name: str
    probability: float
    match: float | None = None


@dataclass(frozen=True)
class Neighbour:
    """A support image near the classified one: its cosine and where it came from."""

    similarity: float
    row: SupportRow


@dataclass(frozen=True)
class Prediction:
    """What is said about one image.

    Attributes:
        image: the name it was given (path, or its number).
        classes: the best classes, best first; empty when the image could not be read.
        neighbours: the nearest support images, nearest first: the explanation.
        error: why the image could not be read, else None.
        none_of_these: whether it is nearer to no class than the threshold asks; None where no threshold was asked for.
    """

    image: str
    classes: tuple[Scored, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    error: str | None = None
    none_of_these: bool | None = None


@dataclass(frozen=True)
class About:
    """What a classifier's answers are to be read with.

    Attributes:
        class_names: column i of the logits is class i.
        sentence: the method, and whether the support images have a say.
        method, hyper_parameters: its name, and its fields as JSON values.
        row_wise: whether an image's answer never depends on the other images of a batch.
        is_zero_shot: whether the class prompts decide alone.
        tuning: protocol that chose the hyper-parameters.
        calibrated_on, calibration_images: labelled images the probabilities are calibrated on, "" where they are not, and how many there were.
        toy: whether the encoder is the embedded one.
        warning: why no answer may be believed; "" where there is no such reason.
        notes: what whoever reads an answer should know, a sentence or two each.
        encoder: its name and the start of its digest.
        class_trust: how far each class's images, chosen from a pool, are trusted, 0 to 1; () where nothing is said of them.
    """

    class_names: tuple[str, ...]
    sentence: str
    method: str
    hyper_parameters: dict[str, Any]
    row_wise: bool
    is_zero_shot: bool
    tuning: str
    calibrated_on: str
    calibration_images: int
    toy: bool
    warning: str
    notes: tuple[str, ...]
    encoder: str
    class_trust: tuple[float, ...] = ()


class Answering(ABC):
    """A loaded classifier, as ``predict`` and ``serve`` use it. Prepared inputs and features are its own affair."""

    @property
    @abstractmethod
    def about(self) -> About:
        """What its answers are to be read with."""

    @property
    @abstractmethod
    def batch_size(self) -> int:
        """Images encoded at once."""

    @property
    @abstractmethod
    def workers(self) -> int:
        """Threads that decode."""

    @abstractmethod
    def load(self) -> None:
        """Make ready for the first image; raises what is wrong with the encoder."""

    @abstractmethod
    def prepare(self, image: Image.Image) -> Any:
        """Return the encoder's input for a decoded picture."""

    def recall(self, path: Path) -> Any | None:
        """Return what ``encode`` takes in place of a photograph that was encoded before; None where it has to be decoded."""
        return None

    @abstractmethod
    def encode(self, images: Iterable[Any]) -> Any:
        """Return features of pictures, or of what ``prepare`` made of them."""

    @abstractmethod
    def predict_features(
        self, names: Sequence[str], features: Any, top_k: int = 5, explain: int = 3
    ) -> list[Prediction]:
        """Classify encoded images; ``names[i]`` is the name of row i."""

    @abstractmethod
    def predict(
        self, images: Iterable[str | Path | Image.Image], top_k: int = 5, explain: int = 3
    ) -> list[Prediction]:
        """Classify images, given as paths or pictures, in their order."""


def check_asked(top_k: int, explain: int) -> None:
    """Refuse numbers of classes and of nearest images that mean nothing.

    Raises:
        InputError: says which.
    """
    if top_k < 1 or explain < 0:
        raise InputError(f"top_k must be at least 1 and explain at least 0, found {top_k} and {explain}.")
