"""A linear probe (Radford et al. 2021): logistic regression on the support images' features, without prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.methods.axis import Axis
from susx.methods.base import Method, Need, Run, TextState
from susx.methods.linear_head import LinearHead

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from susx.methods.evidence import Evidence

__all__ = ["LinearProbe", "LinearProbeState"]

_STEPS = 1000
_GRID = (1.0, 10.0, 100.0, 1000.0)


@dataclass(frozen=True)
class LinearProbeState(TextState):
    """Weight and bias of the regression; a class without support has a bias that no image lifts above the others."""

    weight: Float[Tensor, "classes dim"]
    bias: Float[Tensor, " classes"]


@dataclass(frozen=True)
class LinearProbe(Method[LinearProbeState]):
    """logits = W f + b of multinomial logistic regression with an L2 penalty (scikit-learn, L-BFGS).

    The baseline that few-shot papers draw below zero-shot at few shots. It does not look at the prompts, so a class without
    support is never chosen, and no hyper-parameter makes it zero-shot.

    Attributes:
        strength: C, the inverse of the penalty, for unit rows. CLIP's paper sweeps it on validation images.
    """

    strength: float = 100.0

    name = "linear_probe"
    title = "Linear probe"
    needs = frozenset({Need.SUPPORT, Need.TRAINING})
    access = frozenset({"names", "pool", "shots"})
    state_type = LinearProbeState
    axes = (Axis("strength", dict.fromkeys(("val", "support"), _GRID), enters="fit", shrinks="logarithms"),)

    def __post_init__(self) -> None:
        self._check(positive=("strength",))

    def fit(self, evidence: Evidence, run: Run = Run()) -> LinearProbeState:
        """Fit the regression.

        Raises:
            NoSupportError: no support images.
        """
        import torch
        from sklearn.linear_model import LogisticRegression

        from susx.methods.training import stable_order

        keys, labels = evidence.support(self.name)
        text, scale = evidence.text_classifier, float(evidence.logit_scale)
        order = stable_order(keys, labels, text)
        keys, labels = keys[order], labels[order]
        # Classes by their first row, so that the numbers of classes have no part in the last digits.
        seen = list(dict.fromkeys(labels.tolist()))
        weight, bias = torch.zeros_like(text), torch.zeros(len(text))
        if len(seen) > 1:
            row_of = {label: at for at, label in enumerate(seen)}
            model = LogisticRegression(C=self.strength, max_iter=_STEPS)
            model.fit(keys.double().numpy(), [row_of[label] for label in labels.tolist()])
            rows, offsets = torch.from_numpy(model.coef_).float(), torch.from_numpy(model.intercept_).float()
            if len(seen) == 2:  # scikit-learn has one row, the logit of the second class against the first
                rows, offsets = torch.cat([-rows, rows]) / 2, torch.cat([-offsets, offsets]) / 2
            weight[seen], bias[seen] = rows, offsets
        absent = torch.ones(len(text), dtype=torch.bool)
        absent[seen] = False
        bias[absent] = (bias[seen] - weight[seen].norm(dim=1)).min() - 1.0
        return LinearProbeState(text=text, logit_scale=scale, weight=weight, bias=bias)

    def scores(
        self, state: LinearProbeState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return the regression's logits."""
        return self.linear_head(state)(pooled)

    def linear_head(self, state: LinearProbeState) -> LinearHead:
        """Return the regression."""
        return LinearHead(state.weight, state.bias)
