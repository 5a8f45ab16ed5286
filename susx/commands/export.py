"""``susx export``: a classifier for programs that do not have susx."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from susx.commands.options import MaybeClassifier
from susx.commands.runtime import BundleFolder

__all__ = ["export"]


class Format(str, Enum):
    """What can be written."""

    onnx = "onnx"
    open_clip_head = "open_clip_head"
    bundle = "bundle"
    web = "web"


_ENDINGS = {"onnx": (".onnx",), "open_clip_head": (".safetensors",)}


def export(
    out: Annotated[
        Path,
        typer.Option(
            "--out", help="File to write, .onnx or .safetensors; of a bundle or a web page the new folder."
        ),
    ],
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="bundle: all that predict and serve need, without torch; web: a page that classifies in the browser; onnx: features to logits; open_clip_head: linear head; by default what the ending of --out says.",
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
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file or bundle.")] = False,
    classifier: MaybeClassifier = None,
    bundle: BundleFolder = None,
    onnxruntime_web: Annotated[
        Path | None,
        typer.Option(
            "--onnxruntime-web",
            help="web: folder or archive of the npm package, where npm cannot be reached.",
        ),
    ] = None,
) -> None:
    """Export a classifier as a bundle that runs without torch, as ONNX (both checked against the library) or as an open_clip head."""
    from susx.classifier import read_classifier
    from susx.classifier.export import export_onnx, export_open_clip_head
    from susx.classifier.hub import locate_classifier
    from susx.commands.endings import a_folder, format_of
    from susx.errors import ConfigError
    from susx.printable import for_terminal

    form = Format(format_of(out, form and form.value, _ENDINGS))
    if bundle is not None and (form is not Format.web or classifier is not None):
        raise ConfigError(
            "--bundle goes with --format web, instead of --classifier. Leave it out, or give the classifier."
        )
    if onnxruntime_web is not None and form is not Format.web:
        raise ConfigError("--onnxruntime-web has no effect: it goes with --format web. Leave it out.")
    if classifier is None and bundle is None:
        raise ConfigError("Give the classifier to export with --classifier.")
    if form is Format.web:
        _web(classifier, bundle, a_folder(out) or out, onnxruntime_web)
        return
    assert classifier is not None
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


def _web(classifier: Path | None, bundle: Path | None, out: Path, package: Path | None) -> None:
    import tempfile

    from susx.bundle.hub import locate_bundle
    from susx.bundle.web.export import check_target, export_web

    check_target(out)
    if bundle is not None:
        typer.echo(export_web(locate_bundle(bundle), out, package))
    else:
        assert classifier is not None
        with tempfile.TemporaryDirectory() as scratch:
            made = Path(scratch) / "bundle"
            _bundle(classifier, made, force=False)
            typer.echo(export_web(made, out, package))
    typer.echo(f"Any static server shows it: python -m http.server --directory {out}")
