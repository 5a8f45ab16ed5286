"""``susx label FOLDER --bundle DIR``: a folder labelled with the light installation."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from susx.commands.label_summary import plain, print_summary

__all__ = ["label_by_bundle"]

_WIDTH = 200
"""Columns of what goes to a file: no row is cut."""


def label_by_bundle(
    bundle: Path, folder: Path, out: Path, corrections: Path | None, *, report: bool = True
) -> None:
    """Label a folder with what a bundle knows of its classes, and write the result."""
    from susx.bundle import load_bundle
    from susx.labelling.corrections import CORRECTIONS, read_corrections
    from susx.labelling.of_bundle import check_out, label_photographs

    out = Path(os.path.abspath(out.expanduser()))
    check_out(out, folder)
    loaded = load_bundle(bundle)
    answers = None
    if corrections is not None or (out / CORRECTIONS).is_file():
        answers = read_corrections(corrections if corrections is not None else out)
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH
    for note in loaded.about.notes[:1] if loaded.about.warning else ():
        console.print(f"[yellow]{plain(note)}[/]", soft_wrap=True)
    labels = label_photographs(loaded, folder, leave=out, corrections=answers)
    labels.write(out, report=report)
    print_summary(console, labels.record, labels.columns, out)
    if report:
        console.print(f"Report: [bold]{plain(out / 'report.html')}[/]", soft_wrap=True)
