"""TDA (Karmanov et al., CVPR 2024): two caches that grow with the stream of images, one of what an image is, one of what it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.methods.axis import Axis
from susx.methods.base import Method, Run
from susx.methods.zero_shot import ZeroShotState

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from susx.methods.evidence import Evidence

__all__ = ["Tda"]


@dataclass(frozen=True)
class Tda(Method[ZeroShotState]):
    """logits = s f.W + alpha_p exp(-beta_p (1 - f.K_p)) L - alpha_n exp(-beta_n (1 - f.K_n)) M, the batch being the stream in its order.

    K_p holds each class's three images of least entropy so far, itself among them, with their predicted classes L; K_n two
    images a class whose entropy is middling, with the classes M that they give more than 3 % to: those an image like them is not.
    Constants are the released code's for ImageNet (its beta_p is 3 to 8 elsewhere). That code divides an entropy in nats by the
    logarithm to base 2 of the number of classes, so that its bounds of 0.2 and 0.5 mean 0.29 and 0.72 of the largest; so
    here. Its images of shifted ImageNets are 64 views each; features are one.

    Attributes:
        alpha, beta: weight and sharpness of the positive cache.
        negative_alpha, negative_beta: of the negative one.
    """

    alpha: float = 2.0
    beta: float = 5.0
    negative_alpha: float = 0.117
    negative_beta: float = 1.0

    name = "tda"
    title = "TDA"
    access = frozenset({"names", "stream"})
    state_type = ZeroShotState
    axes = (
        Axis(
            "alpha", dict.fromkeys(("val", "support"), (0.0, 0.5, 1.0, 2.0, 4.0)), term="the positive cache"
        ),
        Axis(
            "beta", dict.fromkeys(("val", "support"), (3.0, 5.0, 8.0)), shrinks="logarithms", weight="alpha"
        ),
    )
    row_wise = False

    def __post_init__(self) -> None:
        self._check(non_negative=("alpha", "beta", "negative_alpha", "negative_beta"))

    def fit(self, evidence: Evidence, run: Run = Run()) -> ZeroShotState:
        """Keep the text classifier; the caches are empty when a stream begins."""
        return ZeroShotState(evidence.text_classifier, float(evidence.logit_scale))

    def scores(
        self, state: ZeroShotState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return the logits of the batch as one stream, each image by what came before it and itself."""
        import math

        import numpy as np
        import torch

        from susx.methods.functional.stream_cache import ClassCache, entropy

        zero_shot = state.logit_scale * (pooled @ state.text.T)
        rows, shares = pooled.numpy(), zero_shot.softmax(dim=1).numpy()
        labels, doubts = shares.argmax(axis=1), entropy(shares.astype(np.float64))
        classes = len(state.text)
        relative = doubts / math.log2(classes) if classes > 1 else doubts
        positive, negative = ClassCache(classes, _POSITIVE), ClassCache(classes, _NEGATIVE)
        ruled_out = (shares > _MASK) & (shares < 1.0)
        added = np.zeros(shares.shape, dtype=np.float32)
        for number, row in enumerate(rows):
            label, doubt = int(labels[number]), float(doubts[number])
            positive.offer(number, label, doubt)
            if _LOWER < relative[number] < _UPPER:
                negative.offer(number, label, doubt)
            held, places = np.nonzero(positive.numbers >= 0)
            votes = np.exp(self.beta * (rows[positive.numbers[held, places]] @ row - 1))
            added[number] = self.alpha * np.bincount(held, votes, classes)
            others = negative.numbers[negative.numbers >= 0]
            against = np.exp(self.negative_beta * (rows[others] @ row - 1))
            added[number] -= self.negative_alpha * (against @ ruled_out[others])
        return zero_shot + torch.from_numpy(added)


_POSITIVE, _NEGATIVE = 3, 2
_LOWER, _UPPER, _MASK = 0.2, 0.5, 0.03
"""Places of a class in each cache, bounds of the entropy of what the negative one takes, least share of a class it speaks of."""
