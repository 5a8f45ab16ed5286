"""A loaded bundle: images in, classes with probabilities and the nearest support images out, by onnxruntime."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from susx.bundle.bundle_folder import StoredBundle, read_bundle
from susx.classifier.predictions import About, Answering, Neighbour, Prediction, Scored, check_asked
from susx.errors import InputError
from susx.image_files import LOCAL, open_image, upright_rgb
from susx.rejection import threshold_of

if TYPE_CHECKING:
    from jaxtyping import Float32, Float64  # importing it takes as long as numpy

__all__ = ["Bundle", "Features", "load_bundle"]


@dataclasses.dataclass(frozen=True)
class Features:
    """What the image graph gave, by name; ``features`` are unit rows."""

    by_name: dict[str, np.ndarray]

    @property
    def pooled(self) -> Float32[np.ndarray, "query dim"]:
        """Unit rows."""
        return self.by_name["features"]


class Bundle(Answering):
    """A classifier that runs on onnxruntime.

    Attributes:
        stored: what the folder holds.
        threshold: cosine below which an image is none of the classes; None where ``reject`` was not given.

    Raises:
        InputError: ``reject`` is not between 0 and 1, or nothing is known of outsiders.
    """

    def __init__(
        self, stored: StoredBundle, *, batch_size: int = 64, workers: int = 2, reject: float | None = None
    ) -> None:
        self.stored = stored
        self.threshold = None if reject is None else threshold_of(stored.rejection, reject)
        self._batch_size, self._workers = batch_size, workers

    @property
    def about(self) -> About:
        """What its answers are to be read with."""
        return self.stored.about

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class of every column of the logits."""
        return self.stored.description.class_names

    @property
    def batch_size(self) -> int:
        """Images encoded at once."""
        return self._batch_size

    @property
    def workers(self) -> int:
        """Threads that decode."""
        return self._workers

    def load(self) -> None:
        """Nothing is left to load: graphs are opened when the bundle is read."""

    def prepare(self, image: Image.Image | Path | np.ndarray) -> Float32[np.ndarray, "channels height width"]:
        """Return the image graph's input for a picture; such an input is returned as it is.

        Raises:
            InputError: a path cannot be decoded.
        """
        if isinstance(image, np.ndarray):
            return image
        picture = upright_rgb(image) if isinstance(image, Image.Image) else open_image(image, LOCAL)
        return self.stored.description.pixels.prepare(picture)

    def encode(self, images: Iterable[Image.Image | Path | np.ndarray]) -> Features:
        """Return features of readable images, in their order; memory holds about one batch at a time."""
        names = self.stored.description.inputs
        outputs: dict[str, list[np.ndarray]] = {name: [] for name in names}
        pixels: Iterable[np.ndarray] = (self.prepare(image) for image in images)
        if isinstance(images, Sequence) and len(images) <= self.batch_size:
            pixels = list(pixels)
        for run in self.stored.image.run(names, pixels, self.batch_size):
            for name, rows in zip(names, run, strict=True):
                outputs[name].append(rows)
        if not outputs["features"]:
            return Features({"features": np.zeros((0, self.stored.description.encoder.dim), np.float32)})
        return Features({name: np.concatenate(rows) for name, rows in outputs.items()})

    def encode_images(self, images: Iterable[Any]) -> Float32[np.ndarray, "query dim"]:
        """Return unit rows of pictures, or of what ``prepare`` made of them."""
        return self.encode(images).pooled

    def logits(self, features: Any) -> Float32[np.ndarray, "query classes"]:
        """Return the method's scores of what ``encode`` gave."""
        inputs = {one.name: features.by_name[one.name] for one in self.stored.head.get_inputs()}
        return np.asarray(self.stored.head.run(["logits"], inputs)[0])

    def probabilities(self, features: Any) -> Float64[np.ndarray, "query classes"]:
        """Return softmax(logits / temperature) with the stored temperature (1 when not calibrated)."""
        logits = self.logits(features).astype(np.float64)
        least = np.finfo(np.float64).tiny
        temperature = max(self.stored.description.calibration.temperature, float(least))
        weights = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def predict(
        self, images: Iterable[str | Path | Image.Image], top_k: int = 5, explain: int = 3
    ) -> list[Prediction]:
        """Classify images, given as paths or pictures, in their order; as ``Classifier.predict``."""
        from susx.classifier.predict import predict_stream

        return list(predict_stream(self, images, top_k=top_k, explain=explain))

    def predict_features(
        self, names: Sequence[str], features: Any, top_k: int = 5, explain: int = 3
    ) -> list[Prediction]:
        """Classify encoded images; ``names[i]`` is the name of row i."""
        check_asked(top_k, explain)
        if not len(names):
            return []
        shares = self.probabilities(features)
        best = _largest(shares, min(top_k, len(self.class_names)))
        near = self._nearest(features.pooled, explain)
        cosines = features.pooled @ self.stored.classes.T
        matches = self._matches(cosines)
        outside = [None] * len(names) if self.threshold is None else cosines.max(axis=1) < self.threshold
        return [
            Prediction(
                name,
                tuple(
                    Scored(
                        self.class_names[c],
                        float(np.float32(shares[i, c])),
                        None if matches is None else float(matches[i, c]),
                    )
                    for c in best[i].tolist()
                ),
                near[i] if near else (),
                none_of_these=None if outside[i] is None else bool(outside[i]),
            )
            for i, name in enumerate(names)
        ]

    def _matches(self, cosines: np.ndarray) -> np.ndarray | None:
        """Return sigmoid(scale * cosine + bias) with the encoder's own scale and bias; None where it has no bias."""
        encoder = self.stored.description.encoder
        if encoder.logit_bias is None:
            return None
        scores = encoder.logit_scale * cosines.astype(np.float64) + encoder.logit_bias
        return np.asarray(0.5 * (1 + np.tanh(scores / 2)))  # without overflow

    def _nearest(self, rows: np.ndarray, count: int) -> list[tuple[Neighbour, ...]]:
        support = self.stored.support
        if support is None or not count:
            return []
        cosines = rows @ support.T
        best = _largest(cosines, min(count, len(support)))
        return [
            tuple(Neighbour(float(cosines[i, j]), self.stored.rows[j]) for j in places.tolist())
            for i, places in enumerate(best)
        ]


def load_bundle(
    folder: str | Path,
    *,
    device: str = "auto",
    batch_size: int = 64,
    workers: int = 2,
    reject: float | None = None,
    few: bool = False,
) -> Bundle:
    """Load a bundle from its folder, or from the Hugging Face Hub (``hf://owner/name[@revision]``).

    Args:
        folder: what ``susx export --format bundle`` wrote.
        device: auto, cpu or cuda.
        batch_size, workers: images encoded at once, and threads that decode them; they do not change the result.
        reject: say which images are none of the classes, at this share of outsiders that may pass.
        few: open it for a picture or two: sooner, and slower for each picture.

    Raises:
        InputError, DamagedArtefact, ModelError: see :func:`susx.bundle.bundle_folder.read_bundle`.
    """
    from susx.bundle.bundle_hub import locate_bundle

    if batch_size < 1 or workers < 1:
        raise InputError(f"batch_size and workers must be at least 1, found {batch_size} and {workers}.")
    return Bundle(
        read_bundle(locate_bundle(folder), device, few=few),
        batch_size=batch_size,
        workers=workers,
        reject=reject,
    )


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Return the columns of the largest values of each row, largest first."""
    return np.argsort(-values, axis=1, kind="stable")[:, :count]
