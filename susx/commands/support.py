"""``susx support show | export | credits``: what became of every candidate image of a run, and whose the kept ones are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from susx.commands.endings import a_folder, format_of

if TYPE_CHECKING:
    from susx.records import SupportRow

__all__ = ["app", "open_support"]

app = typer.Typer(no_args_is_help=True, help="Show and export support sets.")

Table = Annotated[Path, typer.Argument(help="support.parquet of a run, or the folder that holds it.")]


@app.command()
def show(
    table: Table,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print how many images every class kept, and how many each rule rejected."""
    from susx.images.support import KEPT, count_reasons, read_support

    counts = count_reasons(read_support(_file(table)))
    if as_json:
        typer.echo(json.dumps(counts, indent=1))
        return
    totals: dict[str, int] = {}
    for of_class in counts.values():
        for reason, number in of_class.items():
            totals[reason] = totals.get(reason, 0) + number
    reasons = [KEPT, *sorted((r for r in totals if r != KEPT), key=lambda r: (-totals[r], r))]
    width = max([5, *(len(name) for name in counts)])
    typer.echo("  ".join([f"{'class':<{width}}", *reasons]))
    for name, of_class in [*counts.items(), ("total", totals)]:
        cells = [f"{of_class.get(reason, 0) or '-':>{len(reason)}}" for reason in reasons]
        typer.echo("  ".join([f"{name:<{width}}", *cells]))


@app.command()
def export(
    table: Table,
    out: Annotated[Path, typer.Option(help="New folder to write.", callback=a_folder)],
    form: Annotated[
        str, typer.Option("--format", help="imagefolder, webdataset, parquet, coco or fiftyone.")
    ] = "imagefolder",
    dataset: Annotated[
        str | None, typer.Option(help="Data set whose class order gives the labels; else the names' order.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Artefact store that holds the images.", envvar="SUSX_STORE")
    ] = None,
) -> None:
    """Write the kept images with a list of their URLs and licences (origins.csv)."""
    from susx.errors import ConfigError
    from susx.images.support import (
        export_coco,
        export_fiftyone,
        export_imagefolder,
        export_parquet,
        export_webdataset,
    )

    writers = {
        "imagefolder": export_imagefolder, "webdataset": export_webdataset, "parquet": export_parquet,
        "coco": export_coco, "fiftyone": export_fiftyone,
    }  # fmt: skip
    if form not in writers:
        raise ConfigError(f"--format is one of {', '.join(writers)}; found '{form}'.")
    rows, classes, locate = open_support(table, dataset, store)
    number = writers[form](rows, classes, locate, out)
    typer.echo(f"{number} images of {len(classes)} classes written to {out}")


@app.command("credits")
def say_credits(
    table: Table,
    form: Annotated[
        str | None,
        typer.Option("--format", help="markdown, csv or html; what the file's ending says when not given."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; the screen when not given.")] = None,
) -> None:
    """List author, licence and source page of every kept image that was retrieved."""
    from susx.errors import ConfigError
    from susx.images.support import read_support
    from susx.images.support.credits import FORMATS, credits_of
    from susx.store.disk import write_atomically

    if form is not None and form not in FORMATS:
        raise ConfigError(f"--format is one of {', '.join(FORMATS)}; found '{form}'.")
    chosen = format_of(
        out, form, {"markdown": (".md",), "csv": (".csv",), "html": (".html", ".htm")}, "markdown"
    )
    credits = credits_of(read_support(_file(table)))
    text = FORMATS[chosen](credits)
    if out is None:
        typer.echo(text, nl=not text.endswith("\n"))
        return
    write_atomically(out, text.encode())
    typer.echo(f"{len(credits)} credits written to {out}")


def open_support(
    table: Path, dataset: str | None, store: Path | None
) -> tuple[list[SupportRow], tuple[str, ...], Callable[[SupportRow], Path]]:
    """Return the rows of a table, its classes in label order, and where images are."""
    from susx.config import load_dataset
    from susx.images.support import read_support

    file = _file(table)
    rows = read_support(file)
    names = tuple(sorted({row.class_name for row in rows}))
    return rows, load_dataset(dataset).classes if dataset else names, _locator(file, store)


def _file(table: Path) -> Path:
    return table / "support.parquet" if table.is_dir() else table


def _locator(table: Path, store: Path | None) -> Callable[[SupportRow], Path]:
    """Find images beside the table, else by their content in the artefacts of images of the store."""
    from susx.pipeline import examples, fetch, generate
    from susx.pipeline.images import files_by_digest
    from susx.store import ArtefactStore, Ref

    artefacts = ArtefactStore(store or _store_around(table))
    drawn = {stage.STAGE.name for stage in (examples, generate, fetch)}
    refs = [Ref(stage, "", key, "") for stage, key, _ in artefacts.entries() if stage in drawn]
    held = files_by_digest(artefacts, refs)

    def locate(row: SupportRow) -> Path:
        beside = table.parent / row.file
        return beside if beside.is_file() else held.get(row.digest, beside)

    return locate


def _store_around(table: Path) -> Path:
    """Return the store that a table lies in, wherever in it; the table's own folder where it lies in none."""
    inside = (parent for parent in table.resolve().parents if (parent / "artefacts").is_dir())
    return next(inside, table.parent)
