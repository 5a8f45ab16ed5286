"""A loaded classifier: images in, classes with probabilities and the nearest support images out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from susx.classifier.artefact import StoredClassifier
from susx.classifier.classifier_description import ClassifierFacts
from susx.classifier.classifier_folder import read_classifier
from susx.classifier.classifier_hub import locate_classifier
from susx.classifier.predictions import About, Answering, Neighbour, Prediction, Scored, check_asked
from susx.config import EncoderConfig
from susx.errors import MismatchError
from susx.evaluation import probabilities
from susx.features.adapted_encoder import encode_adapted
from susx.features.encoder import Encoder, load_encoder
from susx.features.remembered import RememberedFeatures
from susx.features.text_tower import TextTower
from susx.features.views import encode_views
from susx.methods import ImageFeatures, Need
from susx.methods.state import Fitted

__all__ = ["Classifier", "Neighbour", "Prediction", "Scored", "load_classifier"]


@dataclass(frozen=True)
class Recalled:
    """An image whose features are there already: its unit row."""

    row: Float[Tensor, " dim"]


class Classifier(Answering):
    """A classifier and its encoder. The encoder is loaded when the first image comes.

    Attributes:
        stored: what the folder holds.
        device, batch_size, workers: how the encoder runs; they do not change the result.
        store: folder of a store; of photographs that it has features of (``susx label``), these are taken. Nothing is written to it.
        threshold: cosine below which an image is none of the classes; None where ``reject``, the share of outsiders that may pass
            for one, was not given.

    Raises:
        InputError: ``reject`` is not between 0 and 1, or the classifier was built without a captioned pool, so no threshold is known.
    """

    def __init__(
        self, stored: StoredClassifier, *, device: str = "auto", batch_size: int = 64, workers: int = 2,
        reject: float | None = None, store: str | Path | None = None,
    ) -> None:  # fmt: skip
        self.stored = stored
        self.threshold = None if reject is None else stored.threshold(reject)
        self._settings = {"device": device, "batch_size": batch_size, "workers": workers}
        self._store = None if store is None else Path(store)
        self._remembered: RememberedFeatures | None = None
        self._encoder: Encoder | None = None
        self._fitted: Fitted | None = None

    @property
    def facts(self) -> ClassifierFacts:
        """What the classifier is made of."""
        return self.stored.facts

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class of every column of the logits."""
        return self.stored.facts.class_names

    @property
    def about(self) -> About:
        """What its answers are to be read with."""
        return self.stored.about

    @property
    def batch_size(self) -> int:
        """Images encoded at once."""
        return self.encoder.batch_size

    @property
    def workers(self) -> int:
        """Threads that decode."""
        return self.encoder.workers

    def load(self) -> None:
        """Load the encoder; raises what ``encoder`` does."""
        _ = self.encoder

    def prepare(self, image: Image.Image) -> Float[Tensor, "channels height width"]:
        """Return the encoder's input for a decoded picture."""
        return self.encoder.prepare(image)

    @property
    def encoder(self) -> Encoder:
        """The encoder the classifier was made with.

        Raises:
            ModelError: its weights cannot be found.
            MismatchError: the weights found are others than those the classifier was made with.
        """
        if self._encoder is None:
            encoder = load_encoder(self._encoder_config)
            if encoder.digest != self.facts.encoder.digest:
                raise MismatchError(
                    f"The classifier was made with {self.facts.encoder}, but the"
                    f" weights found here are {encoder.digest[:12]}: its numbers would mean nothing. Install the weights"
                    " it was made with, or build it anew."
                )
            self._encoder = encoder
            if self._store is not None:
                self._remembered = RememberedFeatures(self._store, encoder.identity)
        return self._encoder

    @property
    def _encoder_config(self) -> EncoderConfig:
        facts = self.facts
        return EncoderConfig(
            model=facts.encoder.model,
            pretrained=facts.pretrained,
            precision=facts.encoder.precision,
            **self._settings,
        )

    def recall(self, path: Path) -> Recalled | None:
        """Return the features of a photograph that was encoded before; None where it has to be encoded, or other features are wanted too."""
        if self._remembered is None or self._wants_more:
            return None
        row = self._remembered.of_file(path)
        return None if row is None else Recalled(torch.from_numpy(row))

    @property
    def _wants_more(self) -> bool:
        """Whether the method looks at more of an image than its unit row."""
        method = self.stored.method
        return (
            bool(method.needs & {Need.PATCHES, Need.VIEWS}) or method.adapters(self.stored.state) is not None
        )

    def logits(self, features: ImageFeatures) -> Float[Tensor, "query classes"]:
        """Return the method's scores.

        Raises:
            MismatchError: features of another width.
        """
        if self._fitted is None:
            self._fitted = self.stored.fitted.bound(lambda: TextTower(self.encoder))
        return self._fitted.logits(features)

    def probabilities(self, features: ImageFeatures) -> Float[Tensor, "query classes"]:
        """Return softmax(logits / temperature) with the stored temperature (1 when not calibrated)."""
        return probabilities(self.logits(features).double(), self.facts.temperature).float()

    def encode(self, images: Iterable[Image.Image | Path | Tensor | Recalled]) -> ImageFeatures:
        """Return features of readable images, with patch tokens, adapted features and views where the method needs them.

        What ``recall`` returned is taken as it is.

        Raises:
            MismatchError: the method's adapters are another encoder's.
        """
        method, adapted = self.stored.method, self.stored.method.adapters(self.stored.state)
        if not self._wants_more:
            return ImageFeatures(self._pooled(images))
        pictures = [image for image in images if not isinstance(image, Recalled)]
        return ImageFeatures(
            self.encoder.encode_images(pictures),
            self.encoder.encode_patches(pictures) if Need.PATCHES in method.needs else None,
            None if adapted is None else encode_adapted(self.encoder, adapted, pictures),
            encode_views(self.encoder, pictures) if Need.VIEWS in method.needs else None,
        )

    def _pooled(self, images: Iterable[Image.Image | Path | Tensor | Recalled]) -> Float[Tensor, "query dim"]:
        recalled: dict[int, Tensor] = {}

        def unseen() -> Iterator[Image.Image | Path | Tensor]:
            for at, image in enumerate(images):
                if isinstance(image, Recalled):
                    recalled[at] = image.row
                else:
                    yield image

        # A sequence of one goes as it is: the encoder starts no thread for it.
        alone = isinstance(images, Sequence) and not any(isinstance(image, Recalled) for image in images)
        encoded = self.encoder.encode_images(images if alone else unseen())  # type: ignore[arg-type]
        if not recalled:
            return encoded
        others = iter(encoded)
        count = len(encoded) + len(recalled)
        return torch.stack([recalled[at] if at in recalled else next(others) for at in range(count)])

    def predict(
        self, images: Iterable[str | Path | Image.Image], top_k: int = 5, explain: int = 3
    ) -> list[Prediction]:
        """Classify images, given as paths or pictures, in their order.

        Args:
            images: files that cannot be read give a prediction with ``error`` and no classes.
            top_k: number of classes, at most all.
            explain: number of nearest support images.
        """
        from susx.classifier.predict import predict_stream

        return list(predict_stream(self, images, top_k=top_k, explain=explain))

    def predict_features(
        self, names: Sequence[str], features: ImageFeatures, top_k: int = 5, explain: int = 3
    ) -> list[Prediction]:
        """Classify encoded images; ``names[i]`` is the name of row i."""
        check_asked(top_k, explain)
        if not len(features):
            return []
        best = self.probabilities(features).topk(min(top_k, len(self.class_names)), dim=1)
        near = self._nearest(features.pooled, explain)
        cosines = features.pooled @ self.stored.zero_shot.text.T
        matches, outside = self._matches(cosines), self._outside(cosines)
        return [
            Prediction(
                name,
                tuple(
                    Scored(self.class_names[c], p, None if matches is None else float(matches[i, c]))
                    for p, c in zip(values, columns, strict=True)
                ),
                near[i] if near else (),
                none_of_these=outside[i],
            )
            for i, (name, values, columns) in enumerate(
                zip(names, best.values.tolist(), best.indices.tolist(), strict=True)
            )
        ]

    def _outside(self, cosines: Float[Tensor, "query classes"]) -> list[bool] | list[None]:
        if self.threshold is None:
            return [None] * len(cosines)
        return (cosines.amax(dim=1) < self.threshold).tolist()  # type: ignore[no-any-return]

    def _matches(self, cosines: Float[Tensor, "query classes"]) -> Float[Tensor, "query classes"] | None:
        """Return sigmoid(scale * cosine + bias) with the encoder's own scale and bias; None where it has no bias."""
        bias = self.encoder.logit_bias
        return None if bias is None else torch.sigmoid(self.encoder.logit_scale * cosines + bias)

    def _nearest(self, rows: Float[Tensor, "query dim"], count: int) -> list[tuple[Neighbour, ...]]:
        support = self.stored.support
        if support is None or not count:
            return []
        best = (rows @ support.T).topk(min(count, len(support)), dim=1)
        neighbours: list[tuple[Neighbour, ...]] = []
        for values, places in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            neighbours.append(
                tuple(Neighbour(v, self.stored.rows[j]) for v, j in zip(values, places, strict=True))
            )
        return neighbours


def load_classifier(folder: str | Path, **settings: Any) -> Classifier:
    """Load a classifier from its folder, or from the Hugging Face Hub.

    Args:
        folder: what ``save_classifier`` wrote, or ``hf://owner/name[@revision]``.
        settings: device, batch_size, workers, reject, store (see :class:`Classifier`).

    Raises:
        InputError: the folder is no classifier, or the Hub has none of that name for this user.
        DamagedArtefact: a file is missing or altered.
        ServerError: the Hub cannot be reached, and there is no copy of an earlier time.
    """
    return Classifier(read_classifier(locate_classifier(folder)), **settings)
