"""APE (Zhu et al., ICCV 2023), the training-free one: Tip-Adapter on the channels that tell classes apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.methods.axis import Axis
from susx.methods.base import Method, Need, Run, TextState
from susx.methods.tip_adapter import steps

if TYPE_CHECKING:
    from jaxtyping import Float, Int64
    from torch import Tensor

    from susx.methods.evidence import Evidence, ImageFeatures
    from susx.methods.functional.image_weights import Weighting
    from susx.search import Optimum

__all__ = ["Ape", "ApeState"]

_ALPHAS = (0.0, *steps(0.1, 7, 20))
_BETAS = steps(0.1, 7, 20)
_GAMMAS = steps(0.0, 1.0, 5)
"""The released search for most data sets: alpha in 20 steps, beta at every tenth of its 200, gamma at every fourth of its 20."""

_EPSILON = 1e-6  # of the released code, within its logarithm
_BLOCK_NUMBERS = 16_000_000  # query x support numbers that a search holds at once


@dataclass(frozen=True)
class ApeState(TextState):
    """Support rows on the chosen channels, of unit norm, with their class.

    Attributes:
        channels: which of the features' channels are compared.
        divergence: of each support image's label from what the prompts say of it, in bits.
        weights: of each support image, as Tip-Adapter's.
    """

    keys: Float[Tensor, "support channels"]
    labels: Int64[Tensor, " support"]
    channels: Int64[Tensor, " channels"]
    divergence: Float[Tensor, " support"]
    weights: Float[Tensor, " support"]


@dataclass(frozen=True)
class Ape(Method[ApeState]):
    """logits = s f.W + alpha exp(-beta (1 - f'.F'^T)) diag(exp(gamma D)) L on channels f' of unit norm.

    D is the divergence of an image's label from the softmax of its cosines with the prompts, so that an image the prompts are
    unsure of counts more; the released code takes that softmax without the encoder's scale, and D is nearly the same for all.
    With all channels and gamma = 0 it is Tip-Adapter. The defaults are what the released code has for most of its data
    sets before its search: alpha 1 (0.8 to 3), beta 1, gamma 0.1, 800 of the 1,024 channels of RN50 (500 to 800), and 0.7 and
    0.3 as weights of the criterion (0.2 and 0.8 to 0.9 and 0.1).

    Attributes:
        alpha: weight of the support images.
        beta: sharpness of the vote.
        gamma: how much more an unsure image counts.
        share: of the channels that are kept.
        similarity, variance: weights of the criterion (``functional.channels``).
        weighting, nominal: as of ``TipAdapter``; the published sum and the mean agree when classes have equally many images.
    """

    alpha: float = 1.0
    beta: float = 1.0
    gamma: float = 0.1
    share: float = 800 / 1024
    similarity: float = 0.7
    variance: float = 0.3
    weighting: Weighting = "mean"
    nominal: float | None = None

    name = "ape"
    title = "APE"
    needs = frozenset({Need.SUPPORT})
    access = frozenset({"names", "pool", "shots"})
    state_type = ApeState
    axes = (
        Axis("alpha", dict.fromkeys(("val", "support"), _ALPHAS), term="the votes of the support images"),
        Axis("beta", dict.fromkeys(("val", "support"), _BETAS), shrinks="logarithms", weight="alpha"),
        Axis("gamma", dict.fromkeys(("val", "support"), _GAMMAS), weight="alpha"),
    )

    def __post_init__(self) -> None:
        positive = ("share", *(("nominal",) if self.nominal is not None else ()))
        self._check(
            non_negative=("alpha", "beta", "gamma", "similarity", "variance"),
            positive=positive,
            at_most_one=("share",),
        )
        self._check_choice("weighting", ("mean", "sum"))

    def fit(self, evidence: Evidence, run: Run = Run()) -> ApeState:
        """Choose the channels and weigh the support rows.

        Raises:
            NoSupportError: no support images.
        """
        import torch

        from susx.methods.functional.channels import channel_scores, chosen_channels
        from susx.methods.functional.image_weights import support_weights

        images, labels = evidence.support(self.name)
        order = labels.argsort(stable=True)  # sums over a class go through memory once
        images, labels = images[order], labels[order]
        text = evidence.text_classifier
        scores = channel_scores(text, images, labels, (self.similarity, self.variance))
        channels = chosen_channels(scores, self.share)
        keys = _on_channels(images, channels)
        certainty = (keys @ _on_channels(text, channels).T).softmax(dim=1)[torch.arange(len(labels)), labels]
        divergence = torch.log2((1 + _EPSILON) / (certainty + _EPSILON))
        weights = support_weights(labels, evidence.classes, self.weighting, self.nominal)
        return ApeState(text, float(evidence.logit_scale), keys, labels, channels, divergence, weights)

    def scores(
        self, state: ApeState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return zero-shot logits plus the votes of the support images."""
        return state.logit_scale * (pooled @ state.text.T) + self.alpha * self._votes(state, pooled)

    def _votes(self, state: ApeState, pooled: Float[Tensor, "query dim"]) -> Float[Tensor, "query classes"]:
        from susx.methods.functional.cache_logits import row_votes

        weights = state.weights * (self.gamma * state.divergence).exp()
        rows = _on_channels(pooled, state.channels)
        return row_votes(rows, state.keys, state.labels, weights, self.beta, len(state.text))

    def search(
        self,
        evidence: Evidence,
        query: ImageFeatures,
        labels: Int64[Tensor, " query"],
        grid: Mapping[str, tuple[float, ...]],
        fold: Int64[Tensor, " support"] | None = None,
        run: Run = Run(),
    ) -> Optimum:
        """Return the optimum over the grid: affinities are made once, votes once for each beta and gamma, and weighed by every alpha."""
        from susx.methods.cache_search import pinned_nominal
        from susx.methods.weighed_search import Terms, search_weights

        pinned = pinned_nominal(self, evidence)

        def terms_of(part: Evidence) -> Terms:
            state = pinned.fit(part, run)
            return lambda images: _terms(state, images.pooled, grid["beta"], grid["gamma"])

        block = max(1, _BLOCK_NUMBERS // len(evidence.support(self.name)[1]))
        return search_weights(self, "alpha", terms_of, evidence, query, labels, grid, fold, block=block)


def _terms(
    state: ApeState, pooled: Float[Tensor, "query dim"], betas: tuple[float, ...], gammas: tuple[float, ...]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield zero-shot logits and the votes of every beta and gamma."""
    prompts = state.logit_scale * (pooled @ state.text.T)
    alike = state.keys @ _on_channels(pooled, state.channels).T
    weights = [state.weights * (gamma * state.divergence).exp() for gamma in gammas]
    for beta in betas:
        near = (beta * alike - beta).exp_()
        for weight in weights:
            sums = near.new_zeros((len(state.text), len(pooled)))
            yield prompts, sums.index_add_(0, state.labels, near * weight[:, None]).T


def _on_channels(
    rows: Float[Tensor, "rows dim"], channels: Int64[Tensor, " channels"]
) -> Float[Tensor, "rows channels"]:
    """Return unit rows of some channels; the rows themselves, bit for bit, where all are kept."""
    from torch.nn.functional import normalize

    return rows if len(channels) == rows.shape[1] else normalize(rows[:, channels], dim=1)
