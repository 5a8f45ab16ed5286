"""``susx datasets``: what is known, what a local copy holds, and how to describe one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from susx.commands.endings import ends_in

if TYPE_CHECKING:
    from susx.config import ClassHints

__all__ = ["app"]

app = typer.Typer(
    name="datasets",
    help="Data sets: list, describe, check a local copy, make your own.",
    no_args_is_help=True,
)

DataRoot = Annotated[
    Path | None, typer.Option("--data-root", envvar="SUSX_DATA_ROOT", help="Folder that holds the data sets.")
]


@app.command("list")
def list_datasets(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the data sets that are described: susx's, and those in your own folders."""
    from susx.commands.described import described
    from susx.config import load_dataset

    configs = described("datasets", load_dataset)
    if as_json:
        rows = [
            {
                "name": c.name,
                "classes": len(c.classes),
                "title": c.title,
                "licence": c.licence,
                "file": str(path),
            }
            for path, c in configs
        ]
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for _, config in configs:
        typer.echo(f"{config.name:<16} {len(config.classes):>5} classes  {config.title}")


@app.command()
def info(dataset: Annotated[str, typer.Argument(help="Name or YAML file.")]) -> None:
    """Show the classes, prompts, hints, licence and source of a data set."""
    from susx.config import find_config, load_dataset

    config = load_dataset(dataset)
    readers = ", ".join(f"{reader.kind} in {reader.folder or 'the data root'}" for reader in config.readers)
    lines = [
        f"{config.name}: {config.title}",
        f"file          {find_config('datasets', dataset).absolute()}",
        f"photo prompt  {config.photo_prompt}",
        f"sentences     {config.cupl or 'none; write some with: susx prompts write --dataset ' + config.name}",
        f"licence       {config.licence or 'not stated'}",
        f"source        {config.source or 'not stated'}",
        f"read by       {readers or 'nothing (names only)'}",
        f"classes       {len(config.classes)}",
    ]
    for label, name in enumerate(config.classes):
        hints = _hint_words(config.hints.get(name))
        lines.append(f"{label:>5}  {name}" + (f"  [{'; '.join(hints)}]" if hints else ""))
    typer.echo("\n".join(lines))


def _hint_words(hint: ClassHints | None) -> list[str]:
    if hint is None:
        return []
    search = f"search '{hint.search_name}'" if hint.search_name else ""
    exclude = f"not {', '.join(hint.exclude)}" if hint.exclude else ""
    return [word for word in (search, hint.context or "", exclude) if word]


@app.command()
def check(
    dataset: Annotated[str, typer.Argument(help="Name or YAML file.")], data_root: DataRoot = None
) -> None:
    """Verify a local copy: counts per split and class, missing files, label order. Exits 1 when something is wrong."""
    from susx.config import load_dataset
    from susx.datasets import check_dataset

    config = load_dataset(dataset)
    result = check_dataset(config, data_root)
    for split in result.splits:
        counts = [count for count in split.per_class if count]
        expected = f" of {split.expected} published" if split.expected is not None else ""
        typer.echo(
            f"{split.split}: {split.images}{expected} images of {len(counts)} classes, {min(counts)} to {max(counts)} a class"
            f" (layout {split.layout}; {split.decoded} of them decoded)"
        )
        for note in split.notes:
            typer.echo(f"  note: {note}")
    for problem in result.problems:
        typer.echo(problem, err=True)
    if not result.ok:
        raise SystemExit(1)
    typer.echo(f"{config.name}: the copy is complete.")


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the data set.")],
    source: Annotated[
        Path,
        typer.Option(
            "--from",
            help="Text file (a class name a line), folder of folders, CSV, parquet or folder of Hugging Face datasets, webdataset of CLIP_benchmark, or "
            "what people said of a labelled folder (RESULT of susx label).",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="YAML to write.", callback=ends_in(".yaml", ".yml"))],
    class_column: Annotated[
        str,
        typer.Option(
            "--class-column", help="Column of a table that holds the classes, where it is not plain."
        ),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
) -> None:
    """Describe your own data set."""
    from susx.datasets import new_dataset
    from susx.errors import ConfigError
    from susx.labelling.corrected_table import labelled_folder, write_corrected_table

    if labelled := labelled_folder(source):
        source = out.with_name(f"{out.stem}-said.csv")
        if source.exists() and not force:
            raise ConfigError(f"{source} exists; give --force to write over it.")
        count = write_corrected_table(labelled, source)
        typer.echo(f"{source}: {count} images that people gave a class.")
    config = new_dataset(name, source, out, class_column=class_column, force=force)
    typer.echo(f"{out}: {len(config.classes)} classes. Use it with --dataset {out}.")
    if config.reader:
        folder = source.resolve() if source.is_dir() else source.resolve().parent
        typer.echo(f"Its images are read with --data-root {folder.parent}.")
