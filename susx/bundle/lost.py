"""What fewer bits cost: how many pictures keep their class, and the accuracy before and after, with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from susx.bundle.bundle import Bundle, Features
from susx.bundle.bundle_description import Quantised
from susx.bundle.check_pictures import drawn_pictures
from susx.bundle.quantise import Candidate, candidates, replace_graph
from susx.bundle.support_pictures import Shown
from susx.errors import MismatchError
from susx.evaluation.interval import exact_interval

__all__ = ["LEAST", "drawn_to_compare", "make_smaller"]

LEAST = 0.99
"""Share of pictures that must keep their class."""

_DRAWN = 256


def drawn_to_compare() -> Shown:
    """Return drawn pictures, for where there are no real ones."""
    return Shown("drawn pictures", tuple(drawn_pictures(_DRAWN, seed=1)))


def make_smaller(plain: Bundle, to: str, shown: Sequence[Shown], *, force: bool = False) -> Quantised:
    """Bring a bundle's image tower to fewer bits, in place, and return what that changed.

    Args:
        plain: in single precision, its folder still to be sealed.
        to: int8 or fp16.
        shown: pictures to calibrate and to measure on; the share that must keep its class is that of all together.
        force: keep it also where too many change.

    Raises:
        MismatchError: fewer than ``LEAST`` keep their class; the graph is as it was.
        ConfigError: see :func:`susx.bundle.quantise.candidates`.
    """
    pixels = [plain.prepare(picture) for one in shown for picture in one.pictures]
    before = plain.encode(pixels).pooled
    wanted = _classes(plain, before)
    graph = plain.stored.folder / "image.onnx"
    with candidates(graph, to, pixels) as made:
        best = max(made, key=lambda one: _rank(plain, one, before, wanted))
        smaller_classes = _classes(plain, best.features)
        sentence = f"{to} ({best.how}): {_sentence(plain, shown, wanted, smaller_classes)}"
        if float((smaller_classes == wanted).mean()) < LEAST and not force:
            raise MismatchError(
                f"{sentence} At least {100 * LEAST:g} % of all are asked for; nothing was written. Give more or better pictures with "
                "--images, leave --quantize out, or --force it."
            )
        replace_graph(best, graph)
        return Quantised(to=to, how=best.how, sentence=sentence)  # type: ignore[arg-type]


def _rank(plain: Bundle, one: Candidate, before: np.ndarray, wanted: np.ndarray) -> tuple[int, float]:
    same = int((_classes(plain, one.features) == wanted).sum())
    return same, float((one.features * before).sum(axis=1).mean())


def _classes(plain: Bundle, rows: np.ndarray) -> np.ndarray:
    return np.asarray(plain.logits(Features({"features": rows})).argmax(axis=1))


def _sentence(plain: Bundle, shown: Sequence[Shown], wanted: np.ndarray, predicted: np.ndarray) -> str:
    parts, start = [], 0
    for one in shown:
        rows = slice(start, start + len(one.pictures))
        start += len(one.pictures)
        same, n = int((predicted[rows] == wanted[rows]).sum()), len(one.pictures)
        text = f"{same} of {n} {one.of} keep their class ({_share(same, n)})"
        if one.labels:
            label = np.array([plain.class_names.index(name) for name in one.labels])
            before, after = (int((answers[rows] == label).sum()) for answers in (wanted, predicted))
            text += f", top-1 {_share(after, n)}, in single precision {_share(before, n)}"
        parts.append(text)
    return "; ".join(parts) + "."


def _share(count: int, n: int) -> str:
    low, high = exact_interval(count, n)
    return f"{100 * count / n:.1f} %, 95 % interval {100 * low:.1f} to {100 * high:.1f}"
