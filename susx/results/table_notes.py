"""What is said around a table: its caption with the unit, and what a reader must know of its numbers."""

from __future__ import annotations

from collections.abc import Sequence

from susx.experiment.result_rows import Row
from susx.results.entries import Entry

__all__ = ["UNITS", "caption_of", "notes_of"]

UNITS = {
    "top1": "Top-1 accuracy (%)",
    "top5": "Top-5 accuracy (%)",
    "mean_per_class": "Mean accuracy per class (%)",
    "macro_f1": "Macro-F1 (%)",
    "ece": "Expected calibration error (%)",
    "auroc": "How confidence ranks errors: area under the ROC curve (%)",
    "seconds": "Seconds of fit and prediction",
}
"""What may be shown, and how it is called with its unit."""


def caption_of(value: str, rows: Sequence[Row], datasets: Sequence[str], placed: bool) -> str:
    """Return the caption: what is shown, on what, the mean of how many draws."""
    text = UNITS[value]
    if not placed:
        text += f", mean over {_listed(datasets)}" if len(datasets) > 1 else f" on {datasets[0]}"
    draws = {row.draw for row in rows if row.draw is not None}
    seeds = {row.seed for row in rows if row.seed is not None}
    several = [f"{len(draws)} draws where something is drawn"] if len(draws) > 1 else []
    several += [f"{len(seeds)} seeds"] if len(seeds) > 1 else []
    if several:
        text += f", mean of {' and '.join(several)}"
    regimes = list(dict.fromkeys(row.regime for row in rows))
    if len(regimes) == 1 and regimes[0] != "all":
        text += f"; folders: {regimes[0]}"
    return text


def notes_of(
    entries: Sequence[Entry], interval: str, compared: int, against: str, value: str
) -> tuple[str, ...]:
    """Return what a reader must know, a sentence each."""
    rows = [row for entry in entries for row in entry.rows]
    counts: dict[str, set[int]] = {}
    for row in rows:
        if not row.reason:
            counts.setdefault(row.dataset, set()).add(row.n)
    notes = []
    if counts:
        spans = {
            name: f"{min(n):,}" + (f" to {max(n):,}" if len(n) > 1 else "") for name, n in counts.items()
        }
        notes.append(
            "Images measured on: " + ", ".join(f"{name} {span}".strip() for name, span in spans.items()) + "."
        )
    several = any(len({row.dataset for row in entry.rows}) > 1 for entry in entries)
    bounded = [entry for entry in entries if entry.value is not None and entry.low is not None]
    if interval != "none" and bounded:
        shape = "±: half of the" if interval == "pm" else "In brackets: the"
        notes.append(
            f"{shape} 95 % bootstrap interval over images{', those of all data sets resampled together' if several else ''}; it holds no other "
            "draw of the shots."
        )
    if interval != "none" and value == "top1" and any(e.value is not None and e.low is None for e in entries):
        notes.append(
            "Means without an interval: what was said of every image was not kept (write a folder with --out)."
        )
    if sum(entry.value is not None for entry in entries) > 1:
        notes.append("Bold: best of its group in this column; underlined: second.")
    if compared:
        notes.append(
            f"* better, † worse than {against} at p < 0.05: McNemar's exact test of one run, of a mean a paired test by the bootstrap's standard error over images; "
            f"corrected by Holm over the {compared} comparisons of this table."
        )
    reasons: dict[tuple[str, str], int] = {}
    for entry in entries:
        if entry.reason:
            key = ("Failed" if entry.failed else "No mean", entry.reason.rstrip("."))
            reasons[key] = reasons.get(key, 0) + 1
    notes += [f"{what} ({count}): {reason}." for (what, reason), count in reasons.items()]
    return tuple(notes)


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
