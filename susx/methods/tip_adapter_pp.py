"""Tip-Adapter++ (IMO, BMVC 2024): Tip-Adapter whose affinities are between images as an adapted encoder sees them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from susx.methods.adapted import AdaptedSpace, AdapterFields
from susx.methods.base import Need, Run
from susx.methods.tip_adapter import CacheState, TipAdapter, tip_scores

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from susx.methods.evidence import Evidence, ImageFeatures

__all__ = ["TipAdapterPP", "TipAdapterPPState"]


@dataclass(frozen=True)
class TipAdapterPPState(AdapterFields, CacheState):
    """Tip-Adapter's state whose keys are adapted, and the adapters."""


@dataclass(frozen=True)
class TipAdapterPP(AdaptedSpace, TipAdapter):
    """logits = s f.W + alpha exp(-beta (1 - g.G^T)) L: prompts meet the encoder's own features f, images each other's adapted g.

    The adapters are bottlenecks in the visual blocks, trained once on a generic labelled set (``susx adapt``). With adapters
    that change nothing it is Tip-Adapter.

    Attributes:
        weights: file of the adapters (safetensors).
        digest: sha256 of that file, part of the key of a fit; read from the file where it is not given.
    """

    weights: str = ""
    digest: str = ""

    name = "tip_adapter_pp"
    title = "Tip-Adapter++"
    needs = frozenset({Need.SUPPORT, Need.WEIGHTS, Need.ADAPTED})
    state_type = TipAdapterPPState

    def __post_init__(self) -> None:
        super().__post_init__()
        self._name_adapters()

    def fit(self, evidence: Evidence, run: Run = Run()) -> TipAdapterPPState:
        """Weigh the adapted support rows.

        Raises:
            NoSupportError: no support images.
            ConfigError: no weights were named.
            InputError: the support has no adapted features, or the file is no longer the one that was named.
            MismatchError: the adapters are another encoder's.
        """
        cache = super().fit(evidence, run)
        fields: dict[str, Any] = {f.name: getattr(cache, f.name) for f in dataclasses.fields(cache)}
        return TipAdapterPPState(**fields, **self._read_adapters(evidence))

    def scores_of(self, state: CacheState, query: ImageFeatures) -> Float[Tensor, "query classes"]:
        """Return zero-shot logits of the images plus votes by their adapted features."""
        return tip_scores(state, query.pooled, self.alpha, self.beta, self.query_rows(query))
