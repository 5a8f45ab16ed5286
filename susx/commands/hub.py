"""``susx push`` and ``susx pull``: classifiers and support sets to and from the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from susx.commands.endings import a_folder

__all__ = ["pull", "push"]


def push(
    source: Annotated[
        Path,
        typer.Argument(help="Folder of a run, of a classifier or of a bundle; of a run for a support set."),
    ],
    address: Annotated[
        str,
        typer.Argument(
            help="hf://owner/name for the classifier, hf://datasets/owner/name for the support set; made where it is not there."
        ),
    ],
    licence: Annotated[
        str | None,
        typer.Option("--license", help="Identifier for the card, such as cc-by-4.0, other, unknown."),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="A new repository is public; else private.")
    ] = False,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Of a support set: data set whose class order gives the labels; else the names' order."
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="Of a support set: artefact store that holds the images.", envvar="SUSX_STORE"),
    ] = None,
) -> None:
    """Push a classifier, a bundle or a support set with its card, in one commit."""
    from susx.commands.extras import require_build
    from susx.hub import HubAddress

    if (source / "bundle.json").is_file() and HubAddress.parse(address).kind == "model":
        from susx.bundle.bundle_hub import push_bundle

        pinned = push_bundle(source, address, licence=licence, private=not public)
        typer.echo(f"Pushed. This commit, for others: {pinned}")
        return
    require_build("susx push", "A bundle is pushed without.")
    from susx.classifier.classifier_hub import locate_classifier, push_classifier
    from susx.commands.support import open_support
    from susx.hub import HubAddress, accuracies_of
    from susx.images.support.support_hub import push_support
    from susx.store.disk import read_json

    if HubAddress.parse(address).kind == "dataset":
        rows, classes, locate = open_support(source, dataset, store)
        pinned = push_support(rows, classes, locate, address, licence=licence, private=not public)
        typer.echo(f"Pushed. This commit, for others: {pinned}")
        return

    folder = locate_classifier(source)
    summary = read_json(folder.parent / "run.json")
    accuracies = accuracies_of(summary) if isinstance(summary, dict) else []
    pinned = push_classifier(folder, address, licence=licence, accuracies=accuracies, private=not public)
    typer.echo(f"Pushed. This commit, for others: {pinned}")


def pull(
    address: Annotated[
        str, typer.Argument(help="hf://owner/name[@revision], or hf://datasets/owner/name[@revision].")
    ],
    out: Annotated[Path, typer.Option("--out", help="New folder to write.", callback=a_folder)],
) -> None:
    """Fetch a classifier or a bundle, checked as any of others is, or a support set into a folder."""
    from susx.bundle.bundle_hub import pull_bundle
    from susx.commands.extras import require_build
    from susx.hub import HubAddress

    if HubAddress.parse(address).kind == "model" and (pulled_bundle := pull_bundle(address, out)):
        typer.echo(f"{out}: {pulled_bundle}")
        return
    require_build("susx pull", "A bundle is fetched without.")
    from susx.classifier.classifier_hub import pull_classifier
    from susx.hub import HubAddress
    from susx.images.support.support_hub import pull_support

    pulled = pull_support if HubAddress.parse(address).kind == "dataset" else pull_classifier
    typer.echo(f"{out}: {pulled(address, out)}")
