"""All scores of one set of logits at once: a row of the report's table."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from susx.evaluation.interval import bootstrap_interval
from susx.evaluation.scores import macro_f1, mean_per_class, top_k_correct

__all__ = ["Scores", "score"]


@dataclass(frozen=True)
class Scores:
    """Fractions in [0, 1] on ``n`` images; ``low`` and ``high`` are the 95 % bootstrap interval of ``top1``."""

    n: int
    top1: float
    low: float
    high: float
    top5: float
    mean_per_class: float
    macro_f1: float


def score(logits: Float[Tensor, "query classes"], labels: Int64[Tensor, " query"]) -> Scores:
    """Score logits against labels; with fewer than five classes top-5 is 1.

    Raises:
        MismatchError, InputError: see ``check_scored``.
    """
    right = int(top_k_correct(logits, labels, 1).sum())
    low, high = bootstrap_interval(right, len(labels))
    predicted = logits.argmax(dim=1)
    return Scores(
        n=len(labels),
        top1=right / len(labels),
        low=low,
        high=high,
        top5=int(top_k_correct(logits, labels, 5).sum()) / len(labels),
        mean_per_class=mean_per_class(predicted, labels, logits.shape[1]),
        macro_f1=macro_f1(predicted, labels),
    )
