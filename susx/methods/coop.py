"""CoOp (Zhou et al., IJCV 2022): the words before a class name are learned, through the frozen text encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.errors import InputError
from susx.methods.base import Method, Need, Run, TextState
from susx.methods.linear_head import LinearHead

if TYPE_CHECKING:
    import torch
    from jaxtyping import Float, Int64
    from torch import Tensor

    from susx.methods.evidence import Evidence, PromptEncoder

__all__ = ["CoOp", "CoOpState", "Lesson", "lesson"]


@dataclass(frozen=True)
class Lesson:
    """What words are learned from: support images and tokens on the text encoder's device, in an order of their own.

    Attributes:
        features, truth: support rows, and the places of their classes among ``sentences``.
        sentences: tokens of the placeholders followed by each name, classes in the order of their names.
        rank: place of each class of the list among them: what is learned does not depend on the list's order.
        tower: the text encoder.
        digest: of what, for the name of a checkpoint.
    """

    features: Float[Tensor, "support dim"]
    truth: Int64[Tensor, " support"]
    sentences: Int64[Tensor, "classes length"]
    rank: Int64[Tensor, " classes"]
    tower: PromptEncoder
    digest: str


def lesson(method: str, evidence: Evidence, words: int) -> Lesson:
    """Return what a method that learns words learns from.

    Raises:
        NoSupportError: no support images.
        InputError: features alone, without the text encoder that made the prompts or without class names.
    """
    import torch

    from susx.methods.training import digest_tensors, stable_order

    features, labels = evidence.support(method)
    tower, names = evidence.text_tower, evidence.class_names
    if tower is None or names is None:
        raise InputError(
            f"{method} learns words through the text encoder, and there are only features here. Use it in a "
            f"build (methods: {{{method}: {{}}}}), or choose a method that works on features: tip_adapter_f, clip_adapter."
        )
    text, scale = evidence.text_classifier, float(evidence.logit_scale)
    order = stable_order(features, labels, text)
    features, labels = features[order], labels[order]
    by_name = sorted(range(len(names)), key=names.__getitem__)
    rank = torch.tensor(by_name).argsort()
    ingredients = f"{digest_tensors(features, labels, text)} {scale} {tower.digest} {sorted(names)}"
    return Lesson(
        features.to(tower.device), rank[labels].to(tower.device), tower.tokens([names[at] for at in by_name], words),
        rank, tower, ingredients,
    )  # fmt: skip


@dataclass(frozen=True)
class CoOpState(TextState):
    """``text`` is the learned classifier; ``context`` the learned word vectors, for who wants to read on."""

    context: Float[Tensor, "words width"]


@dataclass(frozen=True)
class CoOp(Method[CoOpState]):
    """logits = s f.t(V, name)^T: t encodes "V1 ... Vm name." with vectors V that all classes share (unified context).

    Cross-entropy on the support images. As published: 16 vectors drawn from N(0, 0.02), SGD at 2e-3 with momentum 0.9 and
    weight decay 5e-4 (defaults of its framework), a cosine after one warm-up epoch at 1e-5, batch 32, the last step taken.
    Published are 50 epochs for 1 shot, 100 for 2 and 4, 200 beyond (50 on ImageNet); here it is one number. Images are
    encoded once: no augmentation. On CUDA the text encoder trains in bfloat16, cosines in single precision (published: float16
    with loss scaling). A fitted classifier needs the text encoder no more; it is linear.

    Attributes:
        epochs, batch, rate: of the training.
        words: learned vectors before the name.
        begin: sentence whose words the vectors begin as, in place of random ones; as many as ``words`` are taken.
    """

    epochs: int = 50
    batch: int = 32
    rate: float = 2e-3
    words: int = 16
    begin: str = ""

    version = 2
    name = "coop"
    title = "CoOp"
    needs = frozenset({Need.SUPPORT, Need.TRAINING, Need.TEXT_TOWER})
    access = frozenset({"names", "pool", "shots"})
    state_type = CoOpState
    axes = ()

    def __post_init__(self) -> None:
        self._check(positive=("batch", "rate", "words"), non_negative=("epochs",))

    def fit(self, evidence: Evidence, run: Run = Run()) -> CoOpState:
        """Train the context.

        Raises:
            NoSupportError: no support images.
            InputError: features alone, without the text encoder that made the prompts or without class names.
            TrainingError: the loss is not finite.
        """
        import torch

        from susx.methods.training import Recipe, full_precision, train
        from susx.seeds import derive_seed

        taught = lesson(self.name, evidence, self.words)
        tower, scale = taught.tower, float(evidence.logit_scale)
        generator = torch.Generator().manual_seed(derive_seed(run.seed, self.name, "context"))
        drawn = 0.02 * torch.randn(self.words, tower.width, generator=generator)
        start = {"context": tower.word_vectors(self.begin, self.words) if self.begin else drawn}

        def loss(now: Mapping[str, Tensor], rows: Tensor, generator: torch.Generator) -> Tensor:
            prompts = tower.encode(taught.sentences, now["context"])
            with full_precision(prompts.device):
                logits = scale * (taught.features[rows] @ prompts.T)
            return torch.nn.functional.cross_entropy(logits, taught.truth[rows])

        recipe = Recipe(
            self.epochs, self.batch, self.rate, optimizer="sgd", weight_decay=5e-4, warm_up=1, amp=True
        )  # fmt: skip
        how = Run(run.seed, str(tower.device), run.folder, run.progress)
        ingredients = f"{taught.digest} {self.begin}"
        trained = train(self.name, start, len(taught.features), loss, recipe, how, evidence=ingredients)
        context = trained.parameters["context"]
        with torch.no_grad():
            learned = tower.encode(taught.sentences, context.to(tower.device)).cpu()[taught.rank]
        return CoOpState(learned, scale, context=context, losses=trained.losses)

    def scores(
        self, state: CoOpState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return the scaled cosines of images and learned prompts."""
        return state.logit_scale * (pooled @ state.text.T)

    def linear_head(self, state: CoOpState) -> LinearHead:
        """Return the scaled learned prompts."""
        return LinearHead(state.logit_scale * state.text)
