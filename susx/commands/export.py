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
    bundle = "bundle"


_ENDINGS = {"onnx": (".onnx",), "open_clip_head": (".safetensors",)}


def export(
    classifier: ClassifierFolder,
    out: Annotated[
        Path, typer.Option("--out", help="File to write, .onnx or .safetensors; of a bundle the new folder.")
    ],
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="bundle: all that predict and serve need, without torch; onnx: features to logits; open_clip_head: linear head; by default what the ending of --out says.",
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
    """Export a classifier as a bundle that runs without torch, as ONNX (both checked against the library) or as an open_clip head."""
    from susx.classifier import read_classifier
    from susx.classifier.export import export_onnx, export_open_clip_head
    from susx.classifier.hub import locate_classifier
    from susx.commands.endings import a_folder, format_of
    from susx.errors import ConfigError
    from susx.printable import for_terminal

    form = Format(format_of(out, form and form.value, _ENDINGS))
    if form is Format.bundle:
        _bundle(classifier, a_folder(out) or out, force=force)
        return
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


def _bundle(classifier: Path, out: Path, *, force: bool) -> None:
    from susx.bundle.export import check_target, export_bundle
    from susx.classifier import load_classifier
    from susx.printable import for_terminal
    from susx.store.disk import folder_size

    check_target(out, force)
    loaded = load_classifier(classifier, device="cpu")
    agreement = export_bundle(loaded, out, force=force)
    size = folder_size(out) / 1e6
    typer.echo(
        f"{out}: {loaded.stored.method.name}, {len(loaded.class_names)} classes, {loaded.facts.encoder.model}; {size:.1f} MB."
    )
    typer.echo(agreement.sentence)
    for licence in loaded.facts.licences:
        typer.echo(f"licence: {for_terminal(licence)}")
    for note in loaded.about.notes:
        typer.echo(f"note: {note}", err=True)
