"""What ``susx label`` says when it is done, with the store or from a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.markup import escape

from susx.commands.terminal_table import Column, print_table
from susx.printable import for_terminal

if TYPE_CHECKING:
    from susx.labelling.label_record import LabelRecord

__all__ = ["plain", "print_summary"]

_MOST_CLASSES = 40


def print_summary(
    console: Console, record: LabelRecord, columns: Mapping[str, np.ndarray], folder: Path | None
) -> None:
    """Print how many images each class has, what was left out, how right it may be, and where the labels lie."""
    label = columns["label"]
    shown = [name for name in (*record.classes, "") if (label == name).any()]
    rows = []
    for name in sorted(shown, key=lambda name: -int((label == name).sum()))[:_MOST_CLASSES]:
        of = label == name
        by_people = int(columns["by_person"][of].sum())
        title = plain(name) if name else "(none of these)"
        rows.append(
            [title, str(int(of.sum())), f"{columns['probability'][of].mean():.2f}", str(by_people or "")]
        )
    headings = [Column(name, "number") for name in ("images", "mean probability", "said by people")]
    print_table(console, "Labels", [Column("class", "name"), *headings], rows)
    if len(shown) > _MOST_CLASSES:
        console.print(f"{len(shown) - _MOST_CLASSES} more classes are in the table.")
    empty = [name for name in record.classes if name not in shown]
    if empty:
        some = ", ".join(empty[:5]) + (" ..." if len(empty) > 5 else "")
        console.print(
            f"No image was given to {len(empty)} of the {len(record.classes)} classes: {plain(some)}",
            soft_wrap=True,
        )
    if record.left_out:
        counted = ", ".join(f"{count} {reason}" for reason, count in sorted(record.left_out.items()))
        console.print(f"[yellow]Left out: {plain(counted)}; left_out.csv names the files.[/]", soft_wrap=True)
    twins = len(label) - len(np.unique(columns["group"]))
    if twins:
        console.print(f"{twins} images are near-duplicates of others and share their labels.")
    if record.estimated_accuracy is not None:
        console.print(
            f"Estimated accuracy: {100 * record.estimated_accuracy:.0f} % ({100 * record.estimated_low:.0f} to "
            f"{100 * record.estimated_high:.0f}), from the fit alone and no promise; 'susx label audit' promises."
        )
    console.print(f"Labels: [bold]{plain(folder)}[/]", soft_wrap=True)


def plain(value: object) -> str:
    """Return foreign text for a console: neither markup nor anything that a terminal obeys."""
    return escape(for_terminal(str(value)))
