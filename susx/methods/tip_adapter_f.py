"""Tip-Adapter-F (Zhang et al., ECCV 2022): Tip-Adapter whose keys are trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from susx.methods.base import Need, Run
from susx.methods.tip_adapter import CacheState, TipAdapter, tip_scores

if TYPE_CHECKING:
    from jaxtyping import Int64
    from torch import Tensor

    from susx.methods.evidence import Evidence, ImageFeatures
    from susx.search import Optimum

__all__ = ["TipAdapterF"]


@dataclass(frozen=True)
class TipAdapterF(TipAdapter):
    """logits = s f.W + alpha exp(-beta (1 - f.K^T)) L with the keys K trained from the support images; L stays.

    Cross-entropy on the support images; AdamW with eps 1e-4 and a cosine, as published. The publication classifies ten
    augmented views of each image while training, features have one. alpha and beta are searched after training, which
    itself goes by ``trained_alpha`` and ``trained_beta`` (the paper's fixed values; its code has 1 and 1 for most data
    sets). With no epochs it is Tip-Adapter.

    Attributes:
        epochs: 20 are published, 100 for EuroSAT.
        batch, rate: rows a step, and the learning rate.
        trained_alpha, trained_beta: alpha and beta of the training.
    """

    epochs: int = 20
    batch: int = 256
    rate: float = 1e-3
    trained_alpha: float = 1.0
    trained_beta: float = 5.5

    name = "tip_adapter_f"
    title = "Tip-Adapter-F"
    version = 2
    needs = frozenset({Need.SUPPORT, Need.TRAINING})
    reads = frozenset()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(positive=("batch", "rate", "trained_beta"), non_negative=("epochs", "trained_alpha"))

    def trust(self, evidence: Evidence) -> float:
        """Return 1: what the keys are trained to is not weighed again."""
        return 1.0

    def fit(self, evidence: Evidence, run: Run = Run()) -> CacheState:
        """Train the keys.

        Raises:
            NoSupportError: no support images.
            TrainingError: the loss is not finite.
        """
        import torch

        from susx.methods.training import Recipe, digest_tensors, stable_order, train

        cache = super().fit(evidence, run)
        order = stable_order(cache.keys, cache.labels, cache.text)
        cache = replace(
            cache, keys=cache.keys[order], labels=cache.labels[order], weights=cache.weights[order]
        )
        seen = cache.on(run.device)

        def loss(now: Mapping[str, Tensor], rows: Tensor, generator: torch.Generator) -> Tensor:
            scores = tip_scores(
                replace(seen, keys=now["keys"]), seen.keys[rows], self.trained_alpha, self.trained_beta
            )
            return torch.nn.functional.cross_entropy(scores, seen.labels[rows])

        recipe = Recipe(self.epochs, self.batch, self.rate, eps=1e-4)
        ingredients = f"{digest_tensors(cache.text, cache.labels, cache.weights)} {cache.logit_scale} {self.trained_alpha} {self.trained_beta}"
        trained = train(
            self.name, {"keys": cache.keys}, len(cache.keys), loss, recipe, run, evidence=ingredients
        )
        return replace(cache, keys=trained.parameters["keys"], losses=trained.losses)

    def search(
        self,
        evidence: Evidence,
        query: ImageFeatures,
        labels: Int64[Tensor, " query"],
        grid: Mapping[str, tuple[float, ...]],
        fold: Int64[Tensor, " support"] | None = None,
        run: Run = Run(),
    ) -> Optimum:
        """Return the exact optimum over the grid with the keys as trained; by folds, one training each."""
        import numpy as np

        from susx.methods.cache_search import pinned_nominal
        from susx.methods.exhaustive import folds_of
        from susx.search import Optimum
        from susx.search.exact import search_cache
        from susx.search.search_grid import Grid

        method = pinned_nominal(self, evidence)
        points = Grid(np.array(grid["alpha"]), np.array(grid["beta"]), np.zeros(1))
        nominal = method.nominal if method.weighting == "mean" else None
        counts = np.zeros((len(grid["alpha"]), len(grid["beta"])), dtype=np.int64)
        for part, rows in folds_of(evidence, fold, len(labels)):
            state, images = method.fit(part, run), query.pooled[rows]
            prompts = state.logit_scale * (images @ state.text.T)
            counts += search_cache(
                prompts, images, state.keys, state.labels, labels[rows], grid=points, nominal=nominal
            )[0]
        return Optimum.of(counts, {name: grid[name] for name in ("alpha", "beta")}, len(labels))
