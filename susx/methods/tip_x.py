"""TIP-X (Udandarao et al., SuS-X, ICCV 2023): Tip-Adapter plus a comparison of images by their signatures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float, Float64, Int64
from torch import Tensor

from susx.methods.base import Need, check_hyper_parameters
from susx.methods.blocks import logits_in_blocks
from susx.methods.evidence import Evidence, ImageFeatures
from susx.methods.functional.affinity import affinity
from susx.methods.functional.cache_logits import cache_logits, class_sums
from susx.methods.functional.class_divergence import class_divergence, class_log_signatures
from susx.methods.functional.ranges import support_affinity_range, support_divergence_range
from susx.methods.functional.rescale import affine_map
from susx.methods.functional.signature import log_signature
from susx.methods.functional.weights import Weighting, support_weights
from susx.methods.published import check_switches, published_divergence, validation_range

__all__ = ["TipX", "TipXState"]


@dataclass(frozen=True)
class TipXState:
    """What one support set fixes.

    Attributes:
        text, logit_scale: text classifier and scale of its cosines.
        keys, labels, weights: support rows with their class and weight.
        log_sums, mass: per class, the weighted sum of its images' log-signatures and of their weights.
        psi_scale, psi_offset: psi(M) = scale M + offset.
        slip_range: least and greatest validation affinity, for ``slips`` alone; else empty.
    """

    text: Float[Tensor, "classes dim"]
    logit_scale: float
    keys: Float[Tensor, "support dim"]
    labels: Int64[Tensor, " support"]
    weights: Float[Tensor, " support"]
    log_sums: Float64[Tensor, "classes prompts"]
    mass: Float64[Tensor, " classes"]
    psi_scale: float
    psi_offset: float
    slip_range: Float64[Tensor, " ends"]


@dataclass(frozen=True)
class TipX:
    """logits = s f.W + alpha exp(-beta (1 - f.F^T)) L - gamma psi(M) L with M_ij = KL(p(f_i) || p(F_j)).

    psi maps divergences affinely onto the range of the affinities. Both ranges are those between *different
    support images*, so psi is fixed in ``fit`` and a row never depends on its batch. Values beyond the range
    are extrapolated, not clipped, which keeps M L linear in the log-signatures (see ``class_divergence``).
    A class without support gets no cache term and the mean divergence of the other classes: with none at all
    it would win wherever gamma is large, as divergences only ever subtract.

    No fixed values are published. The defaults take alpha and beta of Tip-Adapter's paper and the smallest
    gamma of the published search grid.

    Attributes:
        alpha, beta, gamma: weight of the votes, their sharpness, weight of the divergence.
        temperature: T of the signatures; 0.5 in the paper.
        weighting, nominal: see ``TipAdapter``.
        published: do what the official script does: rescale the divergences of a whole batch by the batch's
            own minimum and maximum, onto the range of its affinities. Logits then depend on the batch. The
            script multiplies in half precision on a GPU; here everything is float32.
        slips: with ``published``, its two mistakes as well: the last (rows mod 100) rows get divergence 0,
            and test divergences are mapped onto the range of the *validation* affinities (needs validation
            features).
    """

    alpha: float = 1.0
    beta: float = 5.5
    gamma: float = 0.1
    temperature: float = 0.5
    weighting: Weighting = "mean"
    nominal: float | None = None
    published: bool = False
    slips: bool = False

    name: ClassVar[str] = "tip_x"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.SUPPORT})
    state_type: ClassVar[type] = TipXState

    def __post_init__(self) -> None:
        check_hyper_parameters(self, positive=("temperature",), non_negative=("alpha", "beta", "gamma"))
        check_switches(self)

    def fit(self, evidence: Evidence) -> TipXState:
        """Fix psi and sum the support signatures per class.

        Raises:
            NoSupportError: no support images.
            InputError: ``slips`` without validation features.
        """
        keys, labels = evidence.support(self.name)
        text, classes = evidence.text_classifier, evidence.classes
        weights = support_weights(labels, classes, self.weighting, self.nominal)
        signatures = log_signature(keys, text, self.temperature)
        psi = affine_map(support_divergence_range(signatures), support_affinity_range(keys))
        mass = class_sums(weights.double()[None], labels, classes)[0]
        return TipXState(
            text=text,
            logit_scale=float(evidence.logit_scale),
            keys=keys,
            labels=labels,
            weights=weights,
            log_sums=class_log_signatures(signatures, labels, weights, classes),
            mass=mass,
            psi_scale=psi.scale,
            psi_offset=psi.offset,
            slip_range=validation_range(evidence, keys) if self.slips else mass.new_zeros(0),
        )

    def logits(self, state: TipXState, query: ImageFeatures) -> Float[Tensor, "query classes"]:
        """Return zero-shot logits plus votes minus divergences, one row per image."""
        classes = len(state.text)

        def block(images: ImageFeatures) -> Tensor:
            prompts = state.logit_scale * (images.pooled @ state.text.T)
            votes = cache_logits(
                affinity(images.pooled, state.keys), state.labels, state.weights, self.beta, classes
            )
            without_divergence = prompts + self.alpha * votes
            return (
                without_divergence
                if self.published
                else without_divergence - self.gamma * self._divergence(state, images)
            )

        logits = logits_in_blocks(query, state.text, len(state.keys) + 3 * classes, block)
        if self.published and len(query):
            logits = logits - self.gamma * published_divergence(
                query.pooled,
                state.text,
                state.keys,
                state.labels,
                state.weights,
                self.temperature,
                state.slip_range,
            )
        return logits

    def _divergence(self, state: TipXState, images: ImageFeatures) -> Float[Tensor, "query classes"]:
        """Return psi(M) L with the row's mean where a class has no support."""
        signatures = log_signature(images.pooled, state.text, self.temperature)
        summed = class_divergence(signatures, state.log_sums, state.mass)
        rescaled = state.psi_scale * summed + state.psi_offset * state.mass
        held = state.mass > 0
        if not bool(held.all()):
            rescaled[:, ~held] = rescaled[:, held].mean(dim=1, keepdim=True)
        return rescaled.float()
