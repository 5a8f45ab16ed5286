"""How near a bundle's graphs are to the library: features, pixels and answers on the same pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from susx.bundle.bundle import Bundle
from susx.classifier.classifier import Classifier

__all__ = ["Agreement", "compare"]

_TIE = 1e-3
"""Logits nearer than this are the same in single precision, whichever is larger."""


@dataclass(frozen=True)
class Agreement:
    """Bundle and library on the same pictures.

    Attributes:
        pictures: how many there were.
        cosine: smallest cosine of a picture's features, both shown torch's pixels.
        whole: the same, each shown its own pixels.
        same: pictures with the same best class.
        ties: of the others, those whose two classes the library itself cannot tell apart.
        pixel: largest difference of an input's value, in units of 1/255 of a channel.
    """

    pictures: int
    cosine: float
    whole: float
    same: int
    ties: int
    pixel: float

    @property
    def sentence(self) -> str:
        """What was found, for people."""
        ties = f" ({self.ties} more are ties of the library's own)" if self.ties else ""
        return (
            f"Against torch on {self.pictures} pictures: smallest cosine of features {self.cosine:.7f} ({self.whole:.7f} from the picture on), same class on {self.same} of "
            f"{self.pictures}{ties}, pixels differ by at most {self.pixel:.2g} of 255."
        )


def compare(bundle: Bundle, classifier: Classifier, pictures: Sequence[Image.Image]) -> Agreement:
    """Classify pictures with both and return how far they are apart."""
    encoder, rule = classifier.encoder, bundle.stored.description.pixels
    std = np.asarray(rule.std, dtype=np.float32)[:, None, None]
    cosine, whole, pixel, same, ties = 1.0, 1.0, 0.0, 0, 0
    for start in range(0, len(pictures), bundle.batch_size):
        block = list(pictures[start : start + bundle.batch_size])
        ours, theirs = [bundle.prepare(one) for one in block], [encoder.prepare(one) for one in block]
        for one, other in zip(ours, theirs, strict=True):
            pixel = max(pixel, float((np.abs(one - other.float().numpy()) * std * 255).max()))
        features, expected = bundle.encode(ours), classifier.encode(theirs)
        whole = min(whole, _smallest(features.pooled, expected.pooled))
        if pixel:
            cosine = min(
                cosine,
                _smallest(bundle.encode([one.float().numpy() for one in theirs]).pooled, expected.pooled),
            )
        else:
            cosine = whole
        from_bundle, wanted = (
            torch.from_numpy(bundle.logits(features)).argmax(dim=1),
            classifier.logits(expected),
        )
        best = wanted.argmax(dim=1)
        rows = torch.arange(len(best))
        equal = from_bundle == best
        tied = ~equal & (wanted[rows, best] - wanted[rows, from_bundle] < _TIE)
        same, ties = same + int(equal.sum()), ties + int(tied.sum())
    return Agreement(len(pictures), cosine, whole, same, ties, pixel)


def _smallest(rows: np.ndarray, others: torch.Tensor) -> float:
    return float((rows * others.numpy()).sum(axis=1).min())
