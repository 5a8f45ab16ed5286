"""``susx profiles list``: the profiles that a build can be asked for."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="List profiles: encoder, image source, methods.", no_args_is_help=True)

__all__ = ["app"]


@app.callback()
def _group() -> None:
    """Keep ``list`` a command of its own."""


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the shipped profiles and those in your own folders: encoder, where images come from, what is fitted."""
    from susx.commands.console import escape, output, write_json
    from susx.commands.described import described
    from susx.commands.terminal_table import Column, print_table
    from susx.config import load_profile

    profiles = described("profiles", load_profile)
    if as_json:
        write_json(
            "-",
            [
                {"name": path.stem, "file": str(path), **profile.model_dump(mode="json")}
                for path, profile in profiles
            ],
        )
        return
    rows = []
    for path, profile in profiles:
        encoder = profile.encoder
        row = (
            path.stem, encoder.model, encoder.pretrained or "", str(profile.per_class), profile.retrieval.backend,
            profile.generation.model,
        )  # fmt: skip
        rows.append(tuple(map(escape, row)))
    columns = (
        Column("profile", "name"), Column("encoder"), Column("weights"), Column("images a class", "number"), Column("retrieval"),
        Column("diffusion model"),
    )  # fmt: skip
    print_table(output(), "Profiles", columns, rows)
