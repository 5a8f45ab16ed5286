"""``susx profiles list``: the profiles that a build can be asked for."""

from __future__ import annotations

import typer

app = typer.Typer(help="List profiles: encoder, image source, methods.", no_args_is_help=True)

__all__ = ["app"]


@app.callback()
def _group() -> None:
    """Keep ``list`` a command of its own."""


@app.command("list")
def list_() -> None:
    """List the shipped profiles and those in your own folders: encoder, where images come from, what is fitted."""
    from rich.table import Table

    from susx.commands.console import escape, output
    from susx.commands.described import described
    from susx.config import load_profile

    table = Table(title="Profiles", title_justify="left")
    for name in ("profile", "encoder", "weights", "images a class", "retrieval", "diffusion model"):
        table.add_column(name, overflow="fold", no_wrap=name == "profile")
    for path, profile in described("profiles", load_profile):
        encoder, generation = profile.encoder, profile.generation
        row = (
            path.stem,
            encoder.model,
            encoder.pretrained or "",
            str(profile.per_class),
            profile.retrieval.backend,
        )
        table.add_row(*map(escape, (*row, generation.model)))
    output().print(table)
