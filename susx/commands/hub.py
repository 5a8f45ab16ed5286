"""``susx push`` and ``susx pull``: classifiers to and from the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["pull", "push"]


def push(
    source: Annotated[Path, typer.Argument(help="Folder of a run, or of a classifier.")],
    address: Annotated[str, typer.Argument(help="hf://owner/name; made where it is not there.")],
    licence: Annotated[
        str | None,
        typer.Option("--license", help="Identifier for the card, such as cc-by-4.0, other, unknown."),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="A new repository is public; else private.")
    ] = False,
) -> None:
    """Push a classifier with its model card, in one commit."""
    from susx.classifier.hub import push_classifier
    from susx.hub import accuracies_of
    from susx.store.disk import read_json

    folder = source if (source / "classifier.json").is_file() else source / "classifier"
    summary = read_json(folder.parent / "run.json")
    rows = accuracies_of(summary) if isinstance(summary, dict) else []
    pinned = push_classifier(folder, address, licence=licence, accuracies=rows, private=not public)
    typer.echo(f"Pushed. This commit, for others: {pinned}")


def pull(
    address: Annotated[str, typer.Argument(help="hf://owner/name[@revision].")],
    out: Annotated[Path, typer.Option("--out", help="New folder to write.")],
) -> None:
    """Fetch a classifier into a folder, checked as any classifier of others is."""
    from susx.classifier.hub import pull_classifier

    typer.echo(f"{out}: {pull_classifier(address, out)}")
