"""``susx export``: a classifier for programs that do not have susx."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from susx.commands.options import ClassifierFolder

__all__ = ["export"]


class Format(str, Enum):
    """What can be written."""

    onnx = "onnx"
    open_clip_head = "open_clip_head"


_ENDINGS = {"onnx": (".onnx",), "open_clip_head": (".safetensors",)}


def export(
    classifier: ClassifierFolder,
    out: Annotated[Path, typer.Option("--out", help="File to write, .onnx or .safetensors.")],
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="onnx: features to logits; open_clip_head: linear head; by default what the ending of --out says.",
        ),
    ] = None,
    text_only: Annotated[
        bool, typer.Option("--text-only", help="Head of the text classifier alone.")
    ] = False,
    reject: Annotated[
        float | None,
        typer.Option(
            "--reject", help="onnx: a third output, none_of_these, at this share of outsiders that may pass."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
) -> None:
    """Export a classifier as ONNX (checked against the library with onnxruntime) or as an open_clip head."""
    from susx.classifier import read_classifier
    from susx.classifier.export import export_onnx, export_open_clip_head
    from susx.classifier.hub import locate_classifier
    from susx.commands.endings import format_of
    from susx.errors import ConfigError
    from susx.printable import for_terminal

    form = Format(format_of(out, form and form.value, _ENDINGS))
    if out.exists() and not force:
        raise ConfigError(f"{out} exists; give --force to write over it.")
    if text_only and form is Format.onnx:
        raise ConfigError("--text-only has no effect: it goes with --format open_clip_head. Leave it out.")
    if reject is not None and form is not Format.onnx:
        raise ConfigError("--reject adds an output to the ONNX graph; a linear head has none.")
    stored = read_classifier(locate_classifier(classifier))
    if form is Format.onnx:
        difference = export_onnx(stored, out, reject=reject)
        typer.echo(
            f"{out}: {stored.method.name}, {len(stored.facts.class_names)} classes; differs from the library by at most {difference:.1e} in a logit."
        )
    else:
        export_open_clip_head(stored, out, text_only=text_only)
        typer.echo(
            f"{out}: linear head of {len(stored.facts.class_names)} classes for {stored.facts.encoder.model}."
        )
    for licence in stored.facts.licences:
        typer.echo(f"licence: {for_terminal(licence)}")
    for note in stored.notes:
        typer.echo(f"note: {note}", err=True)
