"""CoCoOp (Zhou et al., CVPR 2022): the learned words before a class name are shifted by what the image looks like."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.errors import InputError, MismatchError
from susx.methods.base import Method, Need, Run, TextState

if TYPE_CHECKING:
    import torch
    from jaxtyping import Float, Int64
    from torch import Tensor

    from susx.methods.evidence import Evidence, PromptEncoder

__all__ = ["CoCoOp", "CoCoOpState", "conditional_scores"]

_WORKING = 8
"""Numbers that a layer of a text encoder holds per number of its input, roughly: for the size of a block."""


@dataclass(frozen=True)
class CoCoOpState(TextState):
    """``text`` is zero-shot's: this method has prompts of its own for every image.

    Attributes:
        context: the learned word vectors.
        down, down_bias, up, up_bias: the two layers of the meta-net.
        names: of the classes, which follow the words.
        tower, tokens: the text encoder, and its tokens of placeholders followed by each name; no part of a file, given again by
            ``CoCoOp.bound``.

    Raises:
        MismatchError: layers that do not fit each other, the words or the features, or names that are not one a class.
    """

    context: Float[Tensor, "words width"]
    down: Float[Tensor, "hidden dim"]
    down_bias: Float[Tensor, " hidden"]
    up: Float[Tensor, "width hidden"]
    up_bias: Float[Tensor, " width"]
    names: tuple[str, ...]
    tower: PromptEncoder | None = dataclasses.field(
        default=None, compare=False, kw_only=True, metadata={"kept": False}
    )
    tokens: Int64[Tensor, "classes length"] | None = dataclasses.field(
        default=None, compare=False, kw_only=True, metadata={"kept": False}
    )

    def __post_init__(self) -> None:
        hidden, width = self.down_bias.shape[0], self.up_bias.shape[0]
        expected = {
            "down": (hidden, self.text.shape[1]), "down_bias": (hidden,), "up": (width, hidden), "up_bias": (width,),
            "context": (self.context.shape[0], width),
        }  # fmt: skip
        shapes = {name: tuple(getattr(self, name).shape) for name in expected}
        if shapes != expected or len(self.names) != len(self.text):
            raise MismatchError(
                f"CoCoOp: expected layers of shapes {expected} and {len(self.text)} names, found {shapes} and {len(self.names)}. Fit "
                "again."
            )


def conditional_scores(
    weights: Mapping[str, Tensor],
    tower: PromptEncoder,
    tokens: Int64[Tensor, "classes length"],
    pooled: Float[Tensor, "query dim"],
) -> Float[Tensor, "query classes"]:
    """Return cosines f.t(V + m(f), name) of unit rows, m(f) = up ReLU(down f + a) + b; all on one device.

    Args:
        weights: ``context`` (words, width), ``down``, ``down_bias``, ``up``, ``up_bias``.
        tower: the text encoder.
        tokens: of placeholders followed by each name.
        pooled: unit rows.
    """
    import torch

    from susx.methods.training import full_precision

    hidden = (pooled @ weights["down"].T + weights["down_bias"]).relu()
    shift = hidden @ weights["up"].T + weights["up_bias"]
    context = weights["context"] + shift[:, None]
    rows = tower.encode(tokens.repeat(len(pooled), 1), context.repeat_interleave(len(tokens), dim=0))
    with full_precision(rows.device):
        return torch.einsum("qd,qcd->qc", pooled, rows.view(len(pooled), len(tokens), -1))


@dataclass(frozen=True)
class CoCoOp(Method[CoCoOpState]):
    """logits = s f.t(V + m(f), name): CoOp whose words V are shifted for each image by a small net m on its features.

    The net is D -> D / 16 -> width of the words, with biases and a ReLU between; it begins as torch's linear layers do, the
    words as "a photo of a". Cross-entropy on the support images. As published: 10 epochs, batch 1, and CoOp's SGD (2e-3,
    momentum 0.9, weight decay 5e-4, a cosine after one warm-up epoch at 1e-5), the last step taken. Images are encoded once:
    no augmentation. On CUDA the text encoder trains in bfloat16, as CoOp's. Every step, and every image that is classified, encodes all class prompts anew: the text encoder is needed
    for as long as the classifier is.

    Attributes:
        epochs, batch, rate: of the training.
        words: learned vectors before the name.
        begin: sentence whose first words they begin as.
        reduction: width of the features over that of the net.
    """

    epochs: int = 10
    batch: int = 1
    rate: float = 2e-3
    words: int = 4
    begin: str = "a photo of a"
    reduction: int = 16

    version = 2
    name = "cocoop"
    title = "CoCoOp"
    needs = frozenset({Need.SUPPORT, Need.TRAINING, Need.TEXT_TOWER, Need.QUERY_TEXT})
    access = frozenset({"names", "pool", "shots"})
    state_type = CoCoOpState
    axes = ()

    def __post_init__(self) -> None:
        self._check(positive=("batch", "rate", "words", "reduction"), non_negative=("epochs",))

    def fit(self, evidence: Evidence, run: Run = Run()) -> CoCoOpState:
        """Train words and net.

        Raises:
            NoSupportError: no support images.
            InputError: features alone, without the text encoder that made the prompts or without class names.
            TrainingError: the loss is not finite.
        """
        import torch

        from susx.methods.coop import lesson
        from susx.methods.training import Recipe, train

        taught, scale = lesson(self.name, evidence, self.words), float(evidence.logit_scale)
        tower = taught.tower

        def loss(now: Mapping[str, Tensor], rows: Tensor, generator: torch.Generator) -> Tensor:
            cosines = conditional_scores(now, tower, taught.sentences, taught.features[rows])
            return torch.nn.functional.cross_entropy(scale * cosines, taught.truth[rows])

        recipe = Recipe(
            self.epochs, self.batch, self.rate, optimizer="sgd", weight_decay=5e-4, warm_up=1, amp=True
        )  # fmt: skip
        how = Run(run.seed, str(tower.device), run.folder, run.progress)
        start = self._start(tower, taught.features.shape[1], run.seed)
        ingredients = f"{taught.digest} {self.begin} {self.reduction}"
        trained = train(self.name, start, len(taught.features), loss, recipe, how, evidence=ingredients)
        learned, names = trained.parameters, evidence.class_names or ()
        state = CoCoOpState(
            evidence.text_classifier, scale, learned["context"], learned["down"], learned["down_bias"], learned["up"],
            learned["up_bias"], names, losses=trained.losses,
        )  # fmt: skip
        return self.bound(state, tower)

    def _start(self, tower: PromptEncoder, dim: int, seed: int) -> dict[str, Tensor]:
        import torch

        from susx.seeds import derive_seed

        generator = torch.Generator().manual_seed(derive_seed(seed, self.name, "layers"))
        hidden = max(1, dim // self.reduction)

        def drawn(into: int, *shape: int) -> Tensor:
            return (torch.rand(*shape, generator=generator) * 2 - 1) / math.sqrt(into)

        context = (
            tower.word_vectors(self.begin, self.words)
            if self.begin
            else 0.02 * torch.randn(self.words, tower.width, generator=generator)
        )
        return {
            "context": context, "down": drawn(dim, hidden, dim), "down_bias": drawn(dim, hidden),
            "up": drawn(hidden, tower.width, hidden), "up_bias": drawn(hidden, tower.width),
        }  # fmt: skip

    def bound(self, state: CoCoOpState, tower: PromptEncoder) -> CoCoOpState:
        """Return the state with its text encoder.

        Raises:
            MismatchError: word vectors of another width.
            InputError: a name is longer than the encoder reads behind the words.
        """
        if tower.width != state.context.shape[1]:
            raise MismatchError(
                f"{self.name}: learned words of width {state.context.shape[1]}, and the text encoder has words of width "
                f"{tower.width}. Use the encoder that the classifier was made with."
            )
        return dataclasses.replace(state, tower=tower, tokens=tower.tokens(state.names, len(state.context)))

    def scores(
        self, state: CoCoOpState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return the scaled cosines of images and their own prompts.

        Raises:
            InputError: the state was read from a file and not given a text encoder yet.
        """
        import torch

        if state.tower is None or state.tokens is None:
            raise InputError(
                f"{self.name} encodes the class prompts anew for every image, and its text encoder is not here. Load the "
                "classifier with its encoder (susx.load_classifier, susx predict, susx serve)."
            )
        device = state.tower.device
        names = ("context", "down", "down_bias", "up", "up_bias")
        with torch.no_grad():
            weights = {name: getattr(state, name).to(device) for name in names}
            cosines = conditional_scores(weights, state.tower, state.tokens, pooled.to(device))
        return state.logit_scale * cosines.to(pooled.device)

    def numbers_per_row(self, state: CoCoOpState, patches: int) -> int:
        """Return the numbers held per image: a sentence a class in the text encoder."""
        return 0 if state.tokens is None else _WORKING * state.tokens.numel() * state.context.shape[1]
