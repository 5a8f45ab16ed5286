"""An invented report, for tests, benchmarks and looking at the page: the shape of a real run, none of its numbers.

The title says so, as a page made from it could be mistaken for a measurement.
"""

from __future__ import annotations

import hashlib
import io

import numpy as np
from PIL import Image

from susx.records import SupportRow
from susx.report.figure_data import Bars, ClassChange, Curve, Histogram, Plane, Reliability
from susx.report.model import (
    Confidence,
    Confusion,
    MethodRow,
    QueryImage,
    ReportData,
    RunIdentity,
    StageRow,
    SupportImage,
)

__all__ = ["sample_report"]

_WORDS = (
    "banded",
    "blotchy",
    "braided",
    "bubbly",
    "cracked",
    "dotted",
    "fibrous",
    "frilly",
    "gauzy",
    "knitted",
)
_RULES = ("not_this_class", "duplicate", "unreadable", "nsfw")
_STAGES = ("prompts", "retrieve", "curate", "encode_images", "encode_text", "fit", "evaluate", "report")


def sample_report(classes: int = 20, per_class: int = 16, side: int = 64, seed: int = 0) -> ReportData:
    """Return a full report of invented numbers; images are ``side`` x ``side`` JPEGs of coloured waves."""
    rng = np.random.default_rng(seed)
    names = tuple(
        _WORDS[i % len(_WORDS)] + (f" {i // len(_WORDS)}" if i >= len(_WORDS) else "") for i in range(classes)
    )
    return ReportData(
        run=RunIdentity(
            dataset="dtd", title="Invented sample", mode="retrieve", profile="demo", encoder="susx-tiny",
            command="susx build --dataset dtd --mode retrieve --profile demo --prompts cupl --per-class 16 --seed 0",
            seed=0, version="0.1.0+sample", started="2024-05-01T12:00:00+00:00", toy=True,
            digests={"encoder": _digest("encoder"), "prompts": _digest("prompts"), "support": _digest("support")},
            libraries={"torch": "2.15.0", "open_clip_torch": "2.32.0"},
        ),
        classes=names,
        methods=_methods(rng, 40 * classes),
        headline=3,
        stages=tuple(StageRow(s, int(i % 3 > 0) * (i + 1), int(i % 3 < 2) * 5, 0.4 + 2.5 * (i % 4), 3.0 * i)
                     for i, s in enumerate(_STAGES)),
        support=tuple(_support(rng, name, i, k, per_class, side) for i, name in enumerate(names)
                      for k in range(per_class + per_class // 3)),
        confidence=tuple(
            Confidence(name, 0.9 - 0.6 * i / classes, names[(i + 3) % classes], 0.05 + 0.3 * i / classes)
            for i, name in enumerate(names)
        ),
        confusions=tuple(
            Confusion(names[i], names[(i + 3) % classes], 14 - i, 40,
                      tuple(QueryImage(_picture(rng, i, side), f"test/{names[i]}/{k:04d}.jpg", 0.9 - 0.1 * k) for k in range(4)))
            for i in range(min(8, classes))
        ),
        confusion_matrix=tuple(
            (i, j, n) for i in range(classes) for j, n in ((i, 26), ((i + 3) % classes, 14))
        ),
        changes=tuple(ClassChange(n, 40, b, float(np.clip(b + d, 0, 1))) for n, b, d in
                      zip(names, rng.uniform(0.2, 0.9, classes).tolist(), rng.normal(0.04, 0.08, classes), strict=True)),
        histograms=tuple(_histogram(rng, n, m, s) for n, m, s in (
            ("image–image, same class", 0.78, 0.06), ("image–image, other class", 0.62, 0.08),
            ("text–text", 0.71, 0.07), ("image–text, paired", 0.27, 0.03), ("image–text, unpaired", 0.19, 0.03))),
        reliability=tuple(Reliability(n, tuple(np.linspace(0.15, 0.95, 9)), tuple(np.linspace(0.15, 0.95, 9) ** p),
                                      tuple(range(20, 200, 20)), e)
                          for n, p, e in (("Signatures, before", 1.6, 0.09), ("Signatures, after", 1.05, 0.02))),
        curves=tuple(Curve("Support size", n, (1.0, 2.0, 4.0, 8.0, 16.0), y, tuple(v - 0.015 for v in y),
                           tuple(v + 0.015 for v in y), "support images per class", log_x=True)
                     for n, y in (("Signatures", (0.55, 0.57, 0.59, 0.61, 0.62)), ("Cache", (0.54, 0.56, 0.57, 0.58, 0.59)))),
        planes=(Plane("alpha–gamma plane", (0.1, 1.0, 5.0, 10.0), (0.1, 1.0, 5.0),
                      tuple(tuple(rng.uniform(0.55, 0.63, 4)) for _ in range(3)), chosen=(1.0, 1.0)),),
        bars=(Bars("The KL term", ("with KL", "without KL", "zero-shot"), (0.62, 0.60, 0.55), (0.6, 0.58, 0.53),
                   (0.64, 0.62, 0.57)),),
    )  # fmt: skip


def _methods(rng: np.random.Generator, n: int) -> tuple[MethodRow, ...]:
    rows = []
    for method, tuning, top1, hyper in (
        ("reference", "", 0.548, {}),
        ("cache", "fixed", 0.571, {"alpha": 1.0, "beta": 5.5}),
        ("signatures", "fixed", 0.583, {"alpha": 1.0, "beta": 5.5, "gamma": 0.1}),
        ("signatures", "support", 0.601, {"alpha": 2.5945, "beta": 1.245, "gamma": 4.279}),
        ("signatures", "val", 0.617, {"alpha": 3.4271, "beta": 1.49, "gamma": 6.667}),
    ):  # fmt: skip
        gain = None if method == "reference" else top1 - 0.548
        rows.append(MethodRow(
            "cupl", "retrieved", "susx-tiny", method, tuning, hyper, n=n, top1=top1, low=top1 - 0.021, high=top1 + 0.02, top5=top1 + 0.27,
            mean_per_class=top1 - 0.006, macro_f1=top1 - 0.012, ece=float(rng.uniform(0.05, 0.12)), auroc=0.7 + top1 / 5,
            ece_after=float(rng.uniform(0.01, 0.03)), temperature=1.4, gain=gain, gain_low=gain and gain - 0.014,
            gain_high=gain and gain + 0.014, p_value=gain and 0.02 * (0.06 - gain),
            access=("names",) if gain is None else ("names", "pool", "validation") if tuning == "val" else ("names", "pool"),
            title=method.capitalize(), reference=gain is None,
        ))  # fmt: skip
    return tuple(rows)


def _support(rng: np.random.Generator, name: str, i: int, k: int, per_class: int, side: int) -> SupportImage:
    rule = "" if k < per_class else _RULES[(i + k) % len(_RULES)]
    row = SupportRow(
        name, f"{name}/{k:04d}.jpg", _digest(f"{name}{k}"), "retrieved", f"a photo of a {name} texture.",
        url=f"pool/{i:03d}/{k:05d}.jpg", caption=f"a {name} surface, seen from above, number {k}",
        similarity=float(0.36 - 0.004 * k), model="susx-tiny@" + _digest("encoder")[:8], licence="MIT", width=side,
        height=side, rejected=rule, detail=f"the rule {rule} does not let it pass" if rule else "",
    )  # fmt: skip
    return SupportImage(row, None if rule == "unreadable" else _picture(rng, i, side))


def _picture(rng: np.random.Generator, label: int, side: int) -> bytes:
    y, x = np.mgrid[0:side, 0:side] / side
    angle, pitch = 0.5 * label + rng.normal(0, 0.08), 3 + label % 7 + rng.normal(0, 0.3)
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * pitch * (x * np.cos(angle) + y * np.sin(angle)) + rng.uniform(0, 6))
    low, high = rng.uniform(0, 110, 3), rng.uniform(140, 255, 3)
    pixels = low + wave[..., None] * (high - low) + rng.normal(0, 9, (side, side, 3))
    buffer = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _histogram(rng: np.random.Generator, name: str, mean: float, spread: float) -> Histogram:
    values = rng.normal(mean, spread, 4000).clip(0, 1)
    counts, edges = np.histogram(values, 80, (0.0, 1.0))
    return Histogram(name, tuple(edges.tolist()), tuple(counts.tolist()), float(values.mean()))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
