"""TIP-X++ (IMO, BMVC 2024): TIP-X whose affinities are between images as an adapted encoder sees them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from susx.methods.adapted import AdaptedSpace, AdapterFields
from susx.methods.base import Need, Run
from susx.methods.tip_adapter import tip_scores
from susx.methods.tip_x import TipX, TipXState

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from susx.methods.evidence import Evidence, ImageFeatures

__all__ = ["TipXPP", "TipXPPState"]


@dataclass(frozen=True)
class TipXPPState(AdapterFields, TipXState):
    """TIP-X's state whose keys are adapted, and the adapters."""


@dataclass(frozen=True)
class TipXPP(AdaptedSpace, TipX):
    """logits = s f.W + alpha exp(-beta (1 - g.G^T)) L - gamma psi(M) L: affinities of adapted features g, prompts and
    signatures of the encoder's own f; psi maps onto the range of the adapted affinities.

    With adapters that change nothing it is TIP-X; see ``TipAdapterPP``.

    Attributes:
        weights: file of the adapters (safetensors).
        digest: sha256 of that file, part of the key of a fit; read from the file where it is not given.
    """

    weights: str = ""
    digest: str = ""

    name = "tip_x_pp"
    title = "TIP-X++"
    needs = frozenset({Need.SUPPORT, Need.WEIGHTS, Need.ADAPTED})
    state_type = TipXPPState

    def __post_init__(self) -> None:
        super().__post_init__()
        self._name_adapters()

    def fit(self, evidence: Evidence, run: Run = Run()) -> TipXPPState:
        """Fix psi, sum the support signatures per class and keep the adapted support rows.

        Raises:
            NoSupportError: no support images.
            ConfigError: no weights were named.
            InputError: the support has no adapted features, or the file is no longer the one that was named.
            MismatchError: the adapters are another encoder's.
        """
        found = super().fit(evidence, run)
        fields: dict[str, Any] = {f.name: getattr(found, f.name) for f in dataclasses.fields(found)}
        return TipXPPState(**fields, **self._read_adapters(evidence))

    def scores_of(self, state: TipXState, query: ImageFeatures) -> Float[Tensor, "query classes"]:
        """Return zero-shot logits of the images plus votes by their adapted features minus divergences."""
        divergence = self.divergence(state, query.pooled).float()
        votes = tip_scores(state, query.pooled, self.alpha, self.beta, self.query_rows(query))
        return votes - self.gamma * divergence
