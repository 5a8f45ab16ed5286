"""Options that several commands have alike."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["ClassifierFolder", "Device", "Least", "MaybeClassifier", "Reject", "store_at_hand"]

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

Least = Annotated[
    float,
    typer.Option(
        "--least",
        min=0.0,
        max=1.0,
        help="Probability from which a label counts; 'susx label audit' finds one.",
    ),
]


def store_at_hand() -> Path | None:
    """Return the folder of the default store for a command that has no ``--store``; None where there is none yet."""
    from susx.pipeline.options import STORE
    from susx.store import is_remote

    address = os.environ.get("SUSX_STORE") or STORE
    folder = Path(address).expanduser()
    return folder if not is_remote(address) and folder.is_dir() else None
