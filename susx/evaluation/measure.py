"""The one measurer of a classifier on labelled images, and the one record of what it finds.

Every row of every table is such a record with the words of its own table beside it: rows of an experiment, of a report, of another
data set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Bool, Float, Int64
from torch import Tensor

from susx.evaluation.calibration import probabilities, reliability
from susx.evaluation.comparison import Comparison, compare, mean_gain
from susx.evaluation.interval import bootstrap_interval, mean_interval
from susx.evaluation.scores import macro_f1, mean_per_class, top_k_correct
from susx.methods.access import Access

__all__ = ["Score", "error_ranking", "measure", "measure_runs"]


@dataclass(frozen=True, kw_only=True)
class Score:
    """What was measured on ``n`` images, and what the classifier had looked at. Shares are of 1; None where nothing was measured.

    Attributes:
        n: labelled images measured on.
        top1, low, high: accuracy and its 95 % bootstrap interval over images.
        top5, mean_per_class, macro_f1: further scores; with fewer than five classes top-5 is 1.
        ece: expected calibration error of the softmax as it is.
        auroc: how confidence ranks errors: the chance that a right answer is surer than a wrong one. None where all are right or
            all wrong.
        gain, gain_low, gain_high, p_value: paired difference of top-1 to the reference with its 95 % bootstrap interval, and
            McNemar's exact p.
        access: what the classifier may look at: names, pool, folder, stream, shots, validation.
        shots: labelled images a class it was given; None where it looks at none, or at all there are.
        draw: number of the draw of shots, folder or order; None where nothing is drawn.
        seed: root of everything random.
    """

    n: int = 0
    top1: float | None = None
    low: float | None = None
    high: float | None = None
    top5: float | None = None
    mean_per_class: float | None = None
    macro_f1: float | None = None
    ece: float | None = None
    auroc: float | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    p_value: float | None = None
    access: tuple[Access, ...] = ()
    shots: int | None = None
    draw: int | None = None
    seed: int | None = None


def error_ranking(confidence: Float[Tensor, " query"], right: Bool[Tensor, " query"]) -> float | None:
    """Return the area under the ROC curve of confidence as a sign of a right answer; None where all are right or all wrong.

    >>> error_ranking(torch.tensor([0.9, 0.8, 0.3]), torch.tensor([True, True, False]))
    1.0
    """
    from sklearn.metrics import roc_auc_score

    if bool(right.all()) or not bool(right.any()):
        return None
    return float(roc_auc_score(right.cpu().numpy(), confidence.double().cpu().numpy()))


def measure(
    logits: Float[Tensor, "query classes"],
    labels: Int64[Tensor, " query"],
    *,
    reference: Float[Tensor, "query classes"] | None = None,
    access: Sequence[Access] = (),
    shots: int | None = None,
    draw: int | None = None,
    seed: int | None = None,
) -> Score:
    """Measure logits against labels. Equal logits count as the first of them.

    Args:
        logits, labels: of the labelled images.
        reference: logits of the reference on the same images, for the paired gain.
        access, shots, draw, seed: see ``Score``; the seed is that of the paired bootstrap too.

    Raises:
        InputError: no images, NaN, or a label outside the classes.
        MismatchError: another number of labels, or of the reference's rows, than rows.
    """
    right = top_k_correct(logits, labels, 1)
    low, high = bootstrap_interval(int(right.sum()), len(labels))
    predicted = logits.argmax(dim=1)
    gain: Comparison | None = None
    if reference is not None:
        gain = compare(top_k_correct(reference, labels, 1), right, seed or 0)
    confidence = probabilities(logits.double(), 1.0).amax(dim=1)
    return Score(
        n=len(labels),
        top1=int(right.sum()) / len(labels),
        low=low,
        high=high,
        top5=int(top_k_correct(logits, labels, 5).sum()) / len(labels),
        mean_per_class=mean_per_class(predicted, labels, logits.shape[1]),
        macro_f1=macro_f1(predicted, labels),
        ece=reliability(logits, labels).ece,
        auroc=error_ranking(confidence, right),
        gain=None if gain is None else gain.gain,
        gain_low=None if gain is None else gain.low,
        gain_high=None if gain is None else gain.high,
        p_value=None if gain is None else gain.p_value,
        access=tuple(access),
        shots=shots,
        draw=draw,
        seed=seed,
    )


def measure_runs(
    scores: Sequence[Score], correct: Bool[Tensor, "runs query"], reference: Bool[Tensor, " query"] | None
) -> Score:
    """Return the mean of several runs on the same images; of one run its own score.

    The intervals are of the mean, over images. A p is given of one run alone; the draw is that of one run.

    Args:
        scores: of each run.
        correct: which images each run gets right.
        reference: which images the reference gets right; None leaves the gain out.

    Raises:
        InputError: no runs, or no images.
    """
    if len(scores) == 1:
        return scores[0]
    low, high = mean_interval(correct)
    gain = (None, None, None) if reference is None else mean_gain(reference, correct)
    first = scores[0]
    return Score(
        n=first.n,
        top1=float(correct.double().mean()),
        low=low,
        high=high,
        top5=_mean([score.top5 for score in scores]),
        mean_per_class=_mean([score.mean_per_class for score in scores]),
        macro_f1=_mean([score.macro_f1 for score in scores]),
        ece=_mean([score.ece for score in scores]),
        auroc=_mean([score.auroc for score in scores]),
        gain=gain[0],
        gain_low=gain[1],
        gain_high=gain[2],
        access=first.access,
        shots=first.shots,
        seed=first.seed,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    measured = [value for value in values if value is not None]
    return sum(measured) / len(measured) if len(measured) == len(values) else None
