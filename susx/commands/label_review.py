"""``susx label review``: a page on this machine to look through labels and answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["review"]


def review(
    result: Annotated[Path, typer.Argument(help="Folder that 'susx label FOLDER --out RESULT' wrote.")],
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free port.")] = 0,
    who: Annotated[
        str | None, typer.Option("--who", help="Name your answers are given under; default: your login.")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option("--photos", help="Folder of the photographs, where they were moved since.")
    ] = None,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in the browser.")
    ] = True,
) -> None:
    """Review labels in a page on 127.0.0.1, until interrupted; answers are in RESULT/corrections.csv at once."""
    import webbrowser

    from susx.activity import at_rest
    from susx.labelling.label_result import LabelResult
    from susx.labelling.review.serving import ReviewServer
    from susx.printable import for_terminal

    labelled = LabelResult.read(result)
    server = ReviewServer(labelled, port=port, who=who, photos=photos)
    if not server.photographs.is_dir():
        typer.echo(
            f"note: there is no folder {for_terminal(str(server.photographs))}: labels are shown without pictures. Give --photos with the "
            "folder the photographs are in now.",
            err=True,
        )

    def ready() -> None:
        at_rest()
        typer.echo(
            f"{len(labelled):,} labels at {server.address} (Ctrl-C ends; what you answered is in {result})."
        )
        if open_browser:
            webbrowser.open(server.address)

    server.run(ready)
