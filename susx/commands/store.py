"""``susx store ls | verify | gc``."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="List, verify and clean the artefact store.", no_args_is_help=True)

__all__ = ["app", "human_size"]

Store = Annotated[
    str, typer.Option(help="Folder of the artefact store, or s3://bucket/prefix.", envvar="SUSX_STORE")
]


@app.command("ls")
def ls(
    store: Store = "susx-store",
    stage: Annotated[str | None, typer.Option(help="Only this stage.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every artefact as JSON.")] = False,
) -> None:
    """List artefacts by stage: how many, how large, for which subjects."""
    import dataclasses
    from collections import defaultdict
    from pathlib import Path

    from susx.commands.console import escape, output, write_json
    from susx.commands.terminal_table import Column, print_table
    from susx.store.inventory import Entry, inventory
    from susx.store.user_cache import shared_store

    chosen = [entry for entry in inventory(_open(store)) if stage in (None, entry.stage)]
    if as_json:
        write_json("-", [dataclasses.asdict(entry) for entry in chosen])
        return
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in chosen:
        groups[entry.stage].append(entry)
    rows = []
    for name, entries in groups.items():
        subjects = sorted({entry.subject for entry in entries if entry.subject})
        shown = ", ".join(subjects[:5]) + (", ..." if len(subjects) > 5 else "")
        rows.append((name, str(len(entries)), human_size(sum(e.size for e in entries)), escape(shown)))
    console = output()
    columns = (
        Column("stage", "name"),
        Column("artefacts", "number"),
        Column("size", "number"),
        Column("subjects"),
    )
    print_table(console, f"Artefacts in {escape(store)}", columns, rows)
    shared = shared_store()
    if shared is not None and shared.root.is_dir() and shared.root != Path(store).absolute():
        sizes = [size for _, _, size in shared.entries()]
        console.print(
            f"What all your stores share ({len(sizes)} artefacts, {human_size(sum(sizes))}): susx store ls --store {escape(str(shared.root))}",
            soft_wrap=True,
        )


@app.command("verify")
def verify(store: Store = "susx-store") -> None:
    """Hash every file of artefacts and runs again, name and take out what is damaged; exit code 1 when there is any."""
    from susx.commands.console import output
    from susx.store.inventory import damaged, inventory
    from susx.store.runs import damaged_runs

    opened, console = _open(store), output()
    entries = list(inventory(opened))
    bad = [*damaged(opened), *damaged_runs(opened)]
    for what in bad:
        console.print(f"[red]{what}[/]", soft_wrap=True)
    console.print(
        f"{len(entries)} artefacts, {human_size(sum(e.size for e in entries))}; {len(bad)} damaged."
    )
    if bad:
        console.print("What is damaged was taken out of use: the next build makes it again.")
        raise typer.Exit(1)


@app.command("gc")
def gc(
    store: Store = "susx-store",
    days: Annotated[float, typer.Option(help="Keep what a run of the last DAYS days may resume.")] = 7.0,
    delete: Annotated[
        bool, typer.Option("--delete", help="Really remove; without it nothing is touched.")
    ] = False,
) -> None:
    """Show, or with --delete remove, what no data set's latest build and no run refers to."""
    from susx.commands.console import output
    from susx.store.garbage import collect

    garbage = collect(_open(store), keep_seconds=days * 86400, delete=delete)
    console, artefacts = output(), garbage.removable
    for run, size in sorted(garbage.runs.items()):
        console.print(f"{human_size(size):>10}  is kept for the run {run} alone", soft_wrap=True)
    for path, size in artefacts[:20]:
        console.print(f"{human_size(size):>10}  {path}", soft_wrap=True)
    if len(artefacts) > 20:
        console.print(f"... and {len(artefacts) - 20} more")
    total = human_size(sum(size for _, size in artefacts))
    if delete:
        console.print(f"{len(artefacts)} folders removed, {total} freed.")
    else:
        console.print(f"{len(artefacts)} folders could go, {total}; nothing was removed (give --delete).")


def _open(store: str):  # type: ignore[no-untyped-def]
    from pathlib import Path

    from susx.errors import StoreError
    from susx.store import is_remote, open_store

    if not is_remote(store) and not (Path(store) / "artefacts").is_dir():
        raise StoreError(
            f"There is no store at {store}. Give its folder with --store, or run 'susx build' first."
        )
    return open_store(store)


def human_size(size: int) -> str:
    """Return a size in bytes for people.

    >>> human_size(1536)
    '1.5 KiB'
    """
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
