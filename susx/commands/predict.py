"""``susx predict``: classify images, one record a line, broken images included."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from susx.commands.runtime import BundleFolder, RuntimeChoice, load_asked
from susx.commands.shared_options import Device, MaybeClassifier, Reject, store_at_hand

if TYPE_CHECKING:
    from susx.classifier.predictions import About, Answering, Prediction

__all__ = ["predict"]


class Format(str, Enum):
    """Forms of the output."""

    jsonl = "jsonl"
    csv = "csv"


_ENDINGS = {"jsonl": (".jsonl", ".ndjson"), "csv": (".csv",)}


def predict(
    images: Annotated[
        list[str] | None,
        typer.Argument(help="Files, folders, glob patterns; - reads paths of files from standard input."),
    ] = None,
    classifier: MaybeClassifier = None,
    bundle: BundleFolder = None,
    runtime: RuntimeChoice = None,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="jsonl or csv; by default what the ending of --out says, else jsonl."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write, .jsonl or .csv; default: standard output.")
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", min=1, help="Classes per image.")] = 5,
    explain: Annotated[int, typer.Option("--explain", min=0, help="Nearest support images per image.")] = 3,
    names: Annotated[
        str | None,
        typer.Option(
            help="Of a bundle with a text tower: other class names, comma-separated or a file with a name a line; zero-shot."
        ),
    ] = None,
    sentence: Annotated[
        str | None, typer.Option(help="With --names: what is said of each, by default 'a photo of a {}.'.")
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1)] = 64,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Threads that decode images.")] = 2,
    reject: Reject = None,
    device: Device = "auto",
) -> None:
    """Classify images with a classifier that was built, or its bundle. Exits 1 when some images could not be read, 3 when none could."""
    from susx.classifier.predict import predict_stream
    from susx.commands.endings import format_of
    from susx.errors import InputError
    from susx.printable import for_terminal

    if not images:
        raise InputError(
            "No images: give files, folders or patterns, or - to read paths from standard input."
        )
    written = format_of(out, form and form.value, _ENDINGS, default="jsonl")
    if classifier is None and bundle is None:
        classifier = Path("classifier")
    loaded = load_asked(
        "predict",
        classifier,
        bundle,
        runtime,
        device=device,
        batch_size=batch_size,
        workers=workers,
        reject=reject,
        store=None if classifier is None else store_at_hand(),
        few=len(images) == 1 and Path(images[0]).is_file(),
    )
    if names is not None:
        loaded = _renamed(loaded, names, sentence)
    stream = predict_stream(loaded, _files(images), top_k=top_k, explain=explain)
    for note in loaded.about.notes:
        typer.echo(f"note: {for_terminal(note)}", err=True)
    good = bad = 0
    target = _opened(out) if out else sys.stdout
    try:
        write = (
            _jsonl(target, loaded.about)
            if written == "jsonl"
            else _csv(target, top_k, rejecting=reject is not None)
        )
        for prediction in _with_progress(stream, show=out is not None or not sys.stdout.isatty()):
            write(prediction)
            good, bad = good + (prediction.error is None), bad + (prediction.error is not None)
    finally:
        if out:
            target.close()
    if not good and not bad:
        raise InputError("No images: standard input named none.")
    if bad:
        typer.echo(f"{bad} of {good + bad} images could not be read; their records say why.", err=True)
        raise SystemExit(1 if good else 3)


def _renamed(loaded: Answering, names: str, sentence: str | None) -> Answering:
    """Return a bundle that classifies by other names.

    Raises:
        ConfigError: it is no bundle.
        InputError: it has no text tower, or these are no names.
    """
    from susx.bundle import Bundle
    from susx.bundle.names import SENTENCE, for_names
    from susx.errors import ConfigError
    from susx.text_file import read_lines

    if not isinstance(loaded, Bundle):
        raise ConfigError(
            "--names goes with --bundle. Build a classifier of those names instead (susx build)."
        )
    path = Path(names)
    listed = read_lines(path) if path.suffix == ".txt" or path.is_file() else names.split(",")
    return for_names(loaded, [word.strip() for word in listed if word.strip()], sentence or SENTENCE)


def _opened(out: Path) -> IO[str]:
    """Open the file to write.

    Raises:
        InputError: it cannot be written.
    """
    from susx.errors import InputError

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        return out.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error}). Choose another file.") from error


def _files(arguments: Iterable[str]) -> Iterator[Path]:
    from susx.classifier.predict import expand
    from susx.text_file import paths_of_lines

    for argument in arguments:
        if argument == "-":
            # Lines are paths as they are: a folder or a missing file is a record of its own, and the others follow.
            yield from (Path(os.fsdecode(path)) for path in paths_of_lines(sys.stdin.buffer))
        else:
            yield from expand([argument])


def _jsonl(target: IO[str], about: About) -> Callable[[Prediction], None]:
    from susx.classifier.predict import as_record
    from susx.printable import for_json

    def write(prediction: Prediction) -> None:
        record = json.dumps(as_record(prediction, about), ensure_ascii=False)
        target.write(for_json(record) + "\n")

    return write


def _csv(target: IO[str], top_k: int, *, rejecting: bool = False) -> Callable[[Prediction], None]:
    from susx.printable import for_cell

    rows = csv.writer(target, lineterminator="\n")
    ranked = [name for k in range(1, top_k + 1) for name in (f"class_name_{k}", f"probability_{k}")]
    rows.writerow(["image", *ranked, "nearest", "error", *(["none_of_these"] if rejecting else [])])

    def write(prediction: Prediction) -> None:
        cells = [cell for s in prediction.classes for cell in (s.class_name, f"{s.probability:.6f}")]
        cells += [""] * (2 * top_k - len(cells))
        nearest = "|".join(neighbour.row.file for neighbour in prediction.neighbours)
        outside = {True: "yes", False: "no", None: ""}[prediction.none_of_these]
        last = [outside] if rejecting else []
        rows.writerow(
            [for_cell(cell) for cell in (prediction.image, *cells, nearest, prediction.error or "", *last)]
        )

    return write


def _with_progress(stream: Iterable[Prediction], *, show: bool) -> Iterator[Prediction]:
    if not (show and sys.stderr.isatty()):
        # Nothing is drawn where nobody looks, nor between the records on a screen.
        yield from stream
        return
    from tqdm import tqdm

    yield from tqdm(stream, unit=" images", file=sys.stderr, leave=False)
