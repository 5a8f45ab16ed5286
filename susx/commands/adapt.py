"""``susx adapt``: labelled images into adapters of an encoder, for Tip-Adapter++ and TIP-X++."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from susx.commands.endings import ends_in

__all__ = ["adapt"]


def adapt(
    folder: Annotated[
        Path, typer.Argument(help="One folder of images per class, or a folder train with such folders.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="File to write the adapters to (.safetensors), their record beside it.",
            callback=ends_in(".safetensors"),
        ),
    ],
    profile: Annotated[str, typer.Option(help="Encoder: a vision transformer.")] = "demo",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the images.")] = 1,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    checkpoints: Annotated[
        Path | None, typer.Option(help="Folder that a training that was stopped is resumed from.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Setting of the profile.")
    ] = None,
) -> None:
    """Train adapters in the visual blocks of an encoder on labelled images of any kind (IMO).

    They give images a second feature space, which the methods tip_adapter_pp and tip_x_pp compare them in. Use classes that are
    none of those to be classified. Images that cannot be decoded are left out and named.
    """
    from susx.config import load_profile
    from susx.experiment.adapt import adapt_folder
    from susx.methods import Run
    from susx.printable import for_terminal

    def tell(done: int, total: int, message: str) -> None:
        typer.echo(f"{message} (step {done} of {total})", err=True)

    encoder = load_profile(profile, settings or ()).encoder
    run = Run(seed, folder=checkpoints, progress=tell)
    adapters, unreadable = adapt_folder(folder, encoder, out, epochs=epochs, run=run)
    for name, reason in unreadable.items():
        typer.echo(for_terminal(f"left out: {name} ({reason})"), err=True)
    count = sum(value.numel() for value in adapters.tensors.values())
    typer.echo(
        for_terminal(
            f"{out}: {count:,} parameters in {adapters.blocks} blocks of {adapters.encoder.model}. Use it in a build: --set "
            f"'methods={{tip_adapter_pp: {{weights: {out}}}}}'"
        )
    )
