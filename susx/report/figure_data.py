"""What the figures of a report are drawn from. Accuracies and shares are fractions in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Bars", "ClassChange", "Curve", "Histogram", "Plane", "Reliability"]


@dataclass(frozen=True)
class Histogram:
    """One histogram: ``len(edges) == len(counts) + 1``; ``group`` puts several into one figure, ``note`` is said below."""

    name: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    mean: float | None = None
    group: str = "Cosine similarity"
    note: str = ""


@dataclass(frozen=True)
class Reliability:
    """Reliability diagram of one method: per bin mean confidence, accuracy and count (empty bins left out)."""

    name: str
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    counts: tuple[int, ...]
    ece: float | None = None


@dataclass(frozen=True)
class Curve:
    """One line of a figure; curves with the same ``figure`` title share axes. ``low``/``high`` are its band."""

    figure: str
    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    x_label: str = ""
    y_label: str = "top-1"
    log_x: bool = False


@dataclass(frozen=True)
class Plane:
    """Accuracy over two hyper-parameters: ``values[i][j]`` belongs to ``y[i]`` and ``x[j]``; a cross marks ``chosen``."""

    figure: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]
    x_label: str = "alpha"
    y_label: str = "gamma"
    chosen: tuple[float, float] | None = None


@dataclass(frozen=True)
class Bars:
    """Named values with optional intervals in one figure (with/without the KL term, transfer to other data sets)."""

    figure: str
    names: tuple[str, ...]
    values: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    y_label: str = "top-1"
    note: str = ""


@dataclass(frozen=True)
class ClassChange:
    """Accuracy of one class under zero-shot and under the headline method, on ``n`` images."""

    class_name: str
    n: int
    before: float
    after: float
