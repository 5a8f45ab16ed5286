"""CLIP-Adapter (Gao et al., 2021): a trained bottleneck that moves image features before they meet the prompts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.errors import ConfigError
from susx.methods.axis import Axis
from susx.methods.base import Method, Need, Run, TextState

if TYPE_CHECKING:
    import torch
    from jaxtyping import Float
    from torch import Tensor

    from susx.methods.evidence import Evidence

__all__ = ["ClipAdapter", "ClipAdapterState", "adapted_scores"]

_RATIOS = tuple(i / 10 for i in range(11))


@dataclass(frozen=True)
class ClipAdapterState(TextState):
    """Text classifier and logit scale; the two layers of the bottleneck, without bias."""

    down: Float[Tensor, "hidden dim"]
    up: Float[Tensor, "dim hidden"]


def adapted_scores(
    state: ClipAdapterState, pooled: Float[Tensor, "query dim"], ratio: float
) -> Float[Tensor, "query classes"]:
    """Return s normalise(ratio ReLU(up ReLU(down f)) + (1 - ratio) f).W of unit rows; zero-shot itself at ratio 0."""
    if ratio:
        moved = ((pooled @ state.down.T).relu() @ state.up.T).relu()
        mixed = ratio * moved + (1 - ratio) * pooled
        pooled = mixed / mixed.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return state.logit_scale * (pooled @ state.text.T)


@dataclass(frozen=True)
class ClipAdapter(Method[ClipAdapterState]):
    """logits = s normalise(r A(f) + (1 - r) f).W with A(f) = ReLU(up ReLU(down f)) of width d -> d/4 -> d, no bias.

    Cross-entropy on the support images. Published is the bottleneck and a residual ratio of 0.2; reimplementations
    disagree on the training. This one follows Adam at 2e-4 with 200 epochs, falling by a cosine. Layers begin as
    torch's linear layers do. The ratio is searched after training, which goes by ``trained_ratio``.

    Attributes:
        ratio: share of the bottleneck in the feature, 0 to 1; 0 is zero-shot.
        epochs, batch, rate: of the training.
        reduction: width of the encoder over that of the bottleneck.
        trained_ratio: ratio of the training.
    """

    ratio: float = 0.2
    epochs: int = 200
    batch: int = 256
    rate: float = 2e-4
    reduction: int = 4
    trained_ratio: float = 0.2

    name = "clip_adapter"
    title = "CLIP-Adapter"
    version = 2
    needs = frozenset({Need.SUPPORT, Need.TRAINING})
    access = frozenset({"names", "pool", "shots"})
    state_type = ClipAdapterState
    axes = (Axis("ratio", {"val": _RATIOS, "support": _RATIOS}, term="the bottleneck"),)

    def __post_init__(self) -> None:
        self._check(
            positive=("batch", "rate", "reduction"), non_negative=("ratio", "epochs", "trained_ratio")
        )
        if max(self.ratio, self.trained_ratio) > 1:
            raise ConfigError(
                f"{self.name}: ratios are shares of 0 to 1, found ratio {self.ratio} and trained_ratio "
                f"{self.trained_ratio}. Give smaller ones."
            )

    def fit(self, evidence: Evidence, run: Run = Run()) -> ClipAdapterState:
        """Train the bottleneck.

        Raises:
            NoSupportError: no support images.
            TrainingError: the loss is not finite.
        """
        import torch

        from susx.methods.training import Recipe, digest_tensors, stable_order, train
        from susx.seeds import derive_seed

        features, labels = evidence.support(self.name)
        text, scale = evidence.text_classifier, float(evidence.logit_scale)
        order = stable_order(features, labels, text)
        features, labels = features[order], labels[order]
        generator = torch.Generator().manual_seed(derive_seed(run.seed, self.name, "layers"))
        width = text.shape[1]
        hidden = max(1, width // self.reduction)

        def layer(out: int, into: int) -> Tensor:
            return (torch.rand(out, into, generator=generator) * 2 - 1) / math.sqrt(into)

        start = {"down": layer(hidden, width), "up": layer(width, hidden)}
        seen, truth, prompts = features.to(run.device), labels.to(run.device), text.to(run.device)

        def loss(now: Mapping[str, Tensor], rows: Tensor, generator: torch.Generator) -> Tensor:
            state = ClipAdapterState(prompts, scale, now["down"], now["up"])
            return torch.nn.functional.cross_entropy(
                adapted_scores(state, seen[rows], self.trained_ratio), truth[rows]
            )

        # At ratio 0 nothing depends on the layers.
        epochs = self.epochs if self.trained_ratio else 0
        recipe = Recipe(epochs, self.batch, self.rate, optimizer="adam", weight_decay=0.0)
        ingredients = f"{digest_tensors(features, labels, text)} {scale} {self.trained_ratio}"
        trained = train(self.name, start, len(features), loss, recipe, run, evidence=ingredients)
        return ClipAdapterState(text, scale, **trained.parameters, losses=trained.losses)

    def scores(
        self, state: ClipAdapterState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return the scaled cosines of adapted images and class prompts."""
        return adapted_scores(state, pooled, self.ratio)
