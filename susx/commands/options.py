"""Options that several commands have alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["ClassifierFolder", "Device", "MaybeClassifier", "Reject"]

ClassifierFolder = Annotated[
    Path,
    typer.Option("--classifier", help="Folder of a run or of its classifier, or hf://owner/name[@revision]."),
]

MaybeClassifier = Annotated[
    Path | None,
    typer.Option("--classifier", help="Folder of a run or of its classifier, or hf://owner/name[@revision]."),
]

Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda ...")]

Reject = Annotated[
    float | None,
    typer.Option(help="Say which images are none of the classes; share of outsiders that may pass, as 0.05."),
]
