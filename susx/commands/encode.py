"""``susx encode``: a folder of images into features for ``susx evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from susx.commands.endings import a_folder

__all__ = ["encode"]


def encode(
    folder: Annotated[
        Path, typer.Argument(help="One folder of images per class, or train/val/test with such folders.")
    ],
    out: Annotated[
        Path,
        typer.Option(help="Folder to write features.safetensors and features.json to.", callback=a_folder),
    ],
    profile: Annotated[str, typer.Option(help="Encoder and prompts.")] = "demo",
    dataset: Annotated[
        str | None,
        typer.Option(help="Data set with the classes, their order and prompts; else the folders' names."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Setting of the profile.")
    ] = None,
) -> None:
    """Encode a folder of images and the prompts of its classes.

    A folder train becomes the support, val the validation and test the test split; without such folders all images are the
    test split. Images that cannot be decoded are left out and named.
    """
    from susx.config import load_dataset, load_profile
    from susx.experiment.encode import encode_folder
    from susx.features.feature_folder import write_features
    from susx.features.feature_set import SPLITS
    from susx.printable import for_terminal

    features, unreadable = encode_folder(
        folder, load_profile(profile, settings or ()), load_dataset(dataset) if dataset else None
    )
    write_features(features, out)
    for name, reason in unreadable.items():
        typer.echo(for_terminal(f"left out: {name} ({reason})"), err=True)
    sizes = ", ".join(
        f"{len(rows)} {split}" for split in SPLITS if (rows := getattr(features, split)) is not None
    )
    typer.echo(
        for_terminal(
            f"{out}: {features.classes} classes, {sizes}. Measure with susx evaluate --features {out}"
        )
    )
