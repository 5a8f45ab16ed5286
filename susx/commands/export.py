"""``susx export``: a classifier for programs that do not have susx."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from susx.commands.runtime import BundleFolder
from susx.commands.shared_options import MaybeClassifier

if TYPE_CHECKING:
    from susx.bundle.support_pictures import Shown

__all__ = ["export"]


class Format(str, Enum):
    """What can be written."""

    onnx = "onnx"
    open_clip_head = "open_clip_head"
    bundle = "bundle"
    web = "web"


class Bits(str, Enum):
    """What an image tower is brought to."""

    int8 = "int8"
    fp16 = "fp16"


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
            "--reject",
            help="onnx: a third output, none_of_these; web: the page says so; at this share of outsiders that may pass.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file or bundle.")] = False,
    classifier: MaybeClassifier = None,
    bundle: BundleFolder = None,
    text: Annotated[
        bool,
        typer.Option("--text", help="bundle: the text tower and its tokenizer too, for predict --names."),
    ] = False,
    quantize: Annotated[
        Bits | None,
        typer.Option(
            "--quantize",
            help="bundle, web: int8 or fp16; what it changes is measured, and refused below 99 % of equal answers without --force.",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            help="bundle, web: photographs to check and quantise on, beside the run's support images; in folders of class names they are labelled.",
        ),
    ] = None,
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
    from susx.classifier.classifier_hub import locate_classifier
    from susx.classifier.export_classifier import export_onnx, export_open_clip_head
    from susx.commands.endings import a_folder, format_of
    from susx.errors import ConfigError
    from susx.printable import for_terminal

    form = Format(format_of(out, form and form.value, _ENDINGS))
    if bundle is not None and classifier is not None:
        raise ConfigError("Give one of --classifier and --bundle; found both.")
    if classifier is None and bundle is None:
        raise ConfigError("Give the classifier to export with --classifier.")
    if form is Format.web:
        _web(
            classifier,
            bundle,
            a_folder(out) or out,
            onnxruntime_web,
            quantize,
            images,
            force=force,
            reject=reject,
        )
        return
    assert classifier is not None
    if form is Format.bundle:
        _bundle(classifier, a_folder(out) or out, quantize, images, text=text, force=force)
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


def _bundle(
    classifier: Path,
    out: Path,
    quantize: Bits | None,
    images: Path | None,
    *,
    text: bool = False,
    force: bool,
) -> None:
    from susx.bundle.write_bundle import check_target, export_bundle
    from susx.classifier import load_classifier
    from susx.printable import for_terminal
    from susx.store.disk import folder_size

    check_target(out, force)
    loaded = load_classifier(classifier, device="cpu")
    shown = _pictures(classifier, images, loaded.class_names)
    sentences = export_bundle(
        loaded, out, shown=shown, quantise=quantize and quantize.value, text=text, force=force
    )
    size = folder_size(out) / 1e6
    typer.echo(
        f"{out}: {loaded.stored.method.name}, {len(loaded.class_names)} classes, {loaded.facts.encoder.model}; {size:.1f} MB."
    )
    for sentence in sentences:
        typer.echo(sentence)
    for licence in loaded.facts.licences:
        typer.echo(f"licence: {for_terminal(licence)}")
    for note in loaded.about.notes:
        typer.echo(f"note: {note}", err=True)


def _pictures(classifier: Path, images: Path | None, class_names: tuple[str, ...]) -> list[Shown]:
    """Return the photographs of a folder, and the support images of a run whose store is there."""
    from susx.bundle.support_pictures import from_folder, from_support
    from susx.commands.support import open_support
    from susx.errors import SusxError

    shown = [] if images is None else [from_folder(images, class_names)]
    run = next(
        (folder for folder in (classifier, classifier.parent) if (folder / "support.parquet").is_file()), None
    )
    if run is not None:
        try:
            rows, _, locate = open_support(run, None, None)
            support = from_support([row for row in rows if row.class_name in class_names], locate)
        except (SusxError, OSError) as error:
            typer.echo(f"note: the support images are not looked at ({error}).", err=True)
        else:
            shown += [support] if support.pictures else []
    return shown


def _web(
    classifier: Path | None, bundle: Path | None, out: Path, package: Path | None, quantize: Bits | None, images: Path | None,
    *, force: bool, reject: float | None,
) -> None:  # fmt: skip
    import tempfile

    from susx.bundle.bundle_hub import locate_bundle
    from susx.bundle.web.write_web import check_target, export_web

    check_target(out)
    if bundle is not None:
        typer.echo(export_web(locate_bundle(bundle), out, package, reject=reject))
    else:
        assert classifier is not None
        with tempfile.TemporaryDirectory() as scratch:
            made = Path(scratch) / "bundle"
            _bundle(classifier, made, quantize, images, force=force)
            typer.echo(export_web(made, out, package, reject=reject))
    typer.echo(f"Any static server shows it: python -m http.server --directory {out}")
