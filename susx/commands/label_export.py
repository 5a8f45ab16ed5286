"""``susx label export RESULT --format ...``: labels as other programs read them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from susx.commands.endings import a_folder
from susx.commands.shared_options import Least
from susx.labelling.export import FORMATS

__all__ = ["export"]


def export(
    result: Annotated[Path, typer.Argument(help="Folder that 'susx label FOLDER --out RESULT' wrote.")],
    form: Annotated[
        str, typer.Option("--format", help="; ".join(f"{name}: {what}" for name, what in FORMATS.items()))
    ],
    out: Annotated[Path, typer.Option("--out", help="New folder to write to.", callback=a_folder)],
    least: Least = 0.0,
) -> None:
    """Write the labels of a folder as COCO, FiftyOne, Label Studio, datasets (parquet) or webdataset."""
    from susx.labelling import LabelResult
    from susx.labelling.corrected import as_corrected
    from susx.labelling.export import export_labels
    from susx.printable import for_terminal

    count = export_labels(as_corrected(LabelResult.read(result)), form, out, least=least)
    typer.echo(f"{count} images in {for_terminal(str(out))}")
