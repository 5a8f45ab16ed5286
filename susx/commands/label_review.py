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
    import getpass
    import socket
    import threading
    import webbrowser

    import uvicorn

    from susx.errors import ServerError
    from susx.labelling.result import LabelResult
    from susx.labelling.review.pictures import Pictures
    from susx.labelling.review.server import create_app
    from susx.labelling.review.session import ReviewSession
    from susx.printable import for_terminal

    labelled = LabelResult.read(result)
    photographs = photos or Path(labelled.record.folder)
    if not photographs.is_dir():
        typer.echo(
            f"note: there is no folder {for_terminal(str(photographs))}: labels are shown without pictures. Give --photos with the folder "
            "the photographs are in now.",
            err=True,
        )
    session = ReviewSession(labelled)
    session.summary()  # a damaged file of answers is said here, in one paragraph
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        listening.close()
        raise ServerError(
            f"Cannot listen on 127.0.0.1:{port} ({error}). Give a free --port, or none."
        ) from error
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/"

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            threading.Thread(target=session.warm, daemon=True).start()
            typer.echo(
                f"{len(labelled):,} labels at {address} (Ctrl-C ends; what you answered is in {result})."
            )
            if open_browser:
                webbrowser.open(address)

    app = create_app(session, Pictures(photographs, result / ".pictures"), who or getpass.getuser())
    Server(
        uvicorn.Config(app, ws="none", log_level="error", access_log=False, timeout_graceful_shutdown=2)
    ).run(sockets=[listening])
