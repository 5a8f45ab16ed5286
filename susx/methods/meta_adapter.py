"""Meta-Adapter (Song et al., NeurIPS 2023): few shots refine the class prompts by attention that was trained elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.encoder_id import EncoderId
from susx.errors import ConfigError, InputError, MismatchError
from susx.methods.axis import Axis
from susx.methods.base import Method, Need, Run, TextState
from susx.methods.linear_head import LinearHead
from susx.methods.trained_weights import check_encoder, locate_weights, name_weights, read_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jaxtyping import Float, Int64
    from torch import Tensor

    from susx.methods.evidence import Evidence

__all__ = ["MetaAdapter", "MetaAdapterState", "refine"]

_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)


@dataclass(frozen=True)
class MetaAdapterState(TextState):
    """The refined text classifier and the logit scale: a linear classifier."""


def refine(
    weights: Mapping[str, Tensor],
    text: Float[Tensor, "classes dim"],
    shots: Float[Tensor, "shots dim"],
    labels: Int64[Tensor, " shots"],
    strength: float = 1.0,
) -> Float[Tensor, "classes dim"]:
    """Return normalise(w + strength g a) of every class w.

    a is the attention of w over [w; its shots] with softmax((Q w).(K x) / sqrt(dim)) and the plain features as values;
    g = sigmoid(gate.w + bias). Classes may have different numbers of shots; one without has a = w and stays.

    Args:
        weights: ``query`` and ``key`` (dim, dim), ``gate`` (1, dim), ``bias`` (1,).
        text: unit rows.
        shots, labels: unit rows and their class.
        strength: 1 as published; 0 returns ``text`` itself.
    """
    import torch

    if strength == 0:
        return text
    values = torch.cat([text, shots])
    groups = torch.cat([torch.arange(len(text), device=text.device), labels])
    # (Q w).(K x) = (w Q^T K).x: one product per class instead of one per image.
    asked = text @ weights["query"].T @ weights["key"]
    scores = (asked[groups] * values).sum(1) / text.shape[1] ** 0.5
    highest = torch.full_like(text[:, 0], -torch.inf).scatter_reduce(0, groups, scores.detach(), "amax")
    shares = (scores - highest[groups]).exp()
    total = torch.zeros_like(text[:, 0]).index_add(0, groups, shares)
    attention = torch.zeros_like(text).index_add(0, groups, (shares / total[groups])[:, None] * values)
    gate = (text @ weights["gate"].T + weights["bias"]).sigmoid()
    return torch.nn.functional.normalize(text + strength * gate * attention)


@dataclass(frozen=True)
class MetaAdapter(Method[MetaAdapterState]):
    """logits = s f.normalise(w + g attention(w; its shots)), with attention and gate g trained once on other classes.

    ``meta_train`` makes the weights; here nothing is trained. They are read when the method is fitted, and a fitted
    method does not need the file again.

    Attributes:
        weights: file of weights (safetensors).
        digest: sha256 of that file, part of the key of a fit; read from the file where it is not given.
        strength: multiplies the gate; 1 as published, 0 is zero-shot.
    """

    weights: str = ""
    digest: str = ""
    strength: float = 1.0

    name = "meta_adapter"
    title = "Meta-Adapter"
    needs = frozenset({Need.SUPPORT, Need.WEIGHTS})
    access = frozenset({"names", "pool", "shots"})
    state_type = MetaAdapterState
    axes = (
        Axis(
            "strength",
            {"val": _STRENGTHS, "support": _STRENGTHS},
            enters="fit",
            term="the attention to the support images",
        ),
    )

    def __post_init__(self) -> None:
        self._check(non_negative=("strength",))
        if self.weights and not self.digest:
            path, digest = name_weights(self.name, self.weights, "attention", "meta_train")
            object.__setattr__(self, "weights", path)
            object.__setattr__(self, "digest", digest)

    def fit(self, evidence: Evidence, run: Run = Run()) -> MetaAdapterState:
        """Refine the text classifier by the support images.

        Raises:
            NoSupportError: no support images.
            ConfigError: no weights were named.
            InputError: the file is no longer the one that was named, or holds something else.
            MismatchError: the weights are of another width than the features, or of another encoder as far as both are known.
        """
        shots, labels = evidence.support(self.name)
        text = evidence.text_classifier
        if self.strength:
            text = refine(self._read(evidence), text, shots, labels, self.strength)
        return MetaAdapterState(text, float(evidence.logit_scale))

    def scores(
        self, state: MetaAdapterState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return scaled cosines of images and refined class prompts."""
        return state.logit_scale * (pooled @ state.text.T)

    def linear_head(self, state: MetaAdapterState) -> LinearHead:
        """Return the scaled refined text classifier."""
        return LinearHead(state.logit_scale * state.text)

    def _read(self, evidence: Evidence) -> dict[str, Tensor]:
        if not self.weights:
            raise ConfigError(
                f"{self.name} needs weights that were trained on other classes, and none are named. Give their file as "
                "'weights', or make one with susx.methods.meta_training.meta_train."
            )
        tensors, record = read_weights(locate_weights(self.weights, "attention"), self.digest, self.title)
        shapes = {name: tuple(value.shape) for name, value in tensors.items()}
        of = shapes.get("query", (0,))[0]
        if shapes != {"query": (of, of), "key": (of, of), "gate": (1, of), "bias": (1,)}:
            raise InputError(
                f"{self.weights}: expected query, key, gate and bias of {self.title}, found {shapes}. Name another file."
            )
        width = evidence.text_classifier.shape[1]
        if of != width:
            raise MismatchError(
                f"{self.weights}: trained for features of width {of}, and these have {width}: they come from different "
                "encoders. Use weights trained with the encoder of these features."
            )
        trained = EncoderId(str(record.get("encoder", "")), str(record.get("encoder_digest", "")))
        check_encoder(self.weights, trained, evidence.encoder)
        return tensors
