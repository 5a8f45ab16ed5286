"""ProKeR (Bendou et al., CVPR 2025): kernel ridge regression that stays near the class prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.methods.axis import Axis
from susx.methods.base import Method, Need, Run, TextState

if TYPE_CHECKING:
    from jaxtyping import Float, Int64
    from torch import Tensor

    from susx.methods.evidence import Evidence, ImageFeatures
    from susx.search import Optimum

__all__ = ["Proker", "ProkerState"]

_ALPHAS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
_BETAS = (0.1, 2.7, 5.3, 7.9, 10.0)
_LAMS = (0.01, 0.1, 1.0, 10.0)
"""Over the ranges of the released search, beta 0.1 to 10 in 20 and lambda 0.01 to 10 in 10 even steps."""


@dataclass(frozen=True)
class ProkerState(TextState):
    """Support rows and their coefficients (``functional.kernel_ridge``)."""

    keys: Float[Tensor, "support dim"]
    coefficients: Float[Tensor, "support classes"]


@dataclass(frozen=True)
class Proker(Method[ProkerState]):
    """logits = s (f.W + alpha k(f, S) (K + lam I)^-1 (Y - S.W)), k(x, y) = exp(-beta (1 - x.y)).

    Paper and released code differ by a factor. The paper's correction has alpha = 1; the code solves (K / lam + I), which is
    alpha = lam: as lam grows it does not come back to zero-shot. The defaults are the constants that the code has for 16
    shots of ImageNet (beta 1.7, lambda 0.1), and its factor for them; there are none for other factors.

    Attributes:
        alpha: weight of the correction.
        beta: sharpness of the kernel.
        lam: penalty; however large alpha, a large one gives zero-shot.
    """

    alpha: float = 0.1
    beta: float = 1.7
    lam: float = 0.1

    name = "proker"
    title = "ProKeR"
    needs = frozenset({Need.SUPPORT})
    access = frozenset({"names", "pool", "shots"})
    state_type = ProkerState
    axes = (
        Axis("alpha", dict.fromkeys(("val", "support"), _ALPHAS), term="what the support images correct"),
        Axis("beta", dict.fromkeys(("val", "support"), _BETAS), enters="fit", shrinks="logarithms", weight="alpha"),
        Axis("lam", dict.fromkeys(("val", "support"), _LAMS), enters="fit", shrinks="logarithms", weight="alpha"),
    )  # fmt: skip

    def __post_init__(self) -> None:
        self._check(non_negative=("alpha", "beta"), positive=("lam",))

    def fit(self, evidence: Evidence, run: Run = Run()) -> ProkerState:
        """Solve the regression; memory grows with the square of the number of support images.

        Raises:
            NoSupportError: no support images.
        """
        from susx.methods.functional.kernel_ridge import ridge_coefficients

        images, labels = evidence.support(self.name)
        text = evidence.text_classifier
        coefficients = ridge_coefficients(images, labels, text, self.beta, self.lam)
        return ProkerState(text, float(evidence.logit_scale), images, coefficients)

    def scores(
        self, state: ProkerState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return zero-shot logits plus the correction."""
        from susx.methods.functional.kernel_ridge import kernel

        correction = kernel(pooled, state.keys, self.beta) @ state.coefficients
        return state.logit_scale * (pooled @ state.text.T) + (state.logit_scale * self.alpha) * correction

    def search(
        self,
        evidence: Evidence,
        query: ImageFeatures,
        labels: Int64[Tensor, " query"],
        grid: Mapping[str, tuple[float, ...]],
        fold: Int64[Tensor, " support"] | None = None,
        run: Run = Run(),
    ) -> Optimum:
        """Return the optimum over the grid: one fit for each beta and lambda, whose correction is weighed by every alpha."""
        from susx.methods.functional.kernel_ridge import kernel, ridge_coefficients
        from susx.methods.weighed_search import Terms, search_weights

        def terms_of(part: Evidence) -> Terms:
            support, classes = part.support(self.name)
            text = part.text_classifier

            def terms(images: ImageFeatures) -> Iterator[tuple[Tensor, Tensor]]:
                prompts = images.pooled @ text.T
                for beta in grid["beta"]:
                    near = kernel(images.pooled, support, beta)
                    for lam in grid["lam"]:
                        yield prompts, near @ ridge_coefficients(support, classes, text, beta, lam)

            return terms

        return search_weights(self, "alpha", terms_of, evidence, query, labels, grid, fold)
