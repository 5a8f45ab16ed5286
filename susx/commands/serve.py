"""``susx serve``: a classifier over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from susx.commands.interruption import as_service
from susx.commands.runtime import BundleFolder, RuntimeChoice, load_asked
from susx.commands.shared_options import Device, MaybeClassifier, Reject

__all__ = ["serve"]


def serve(
    classifier: MaybeClassifier = None,
    bundle: BundleFolder = None,
    runtime: RuntimeChoice = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free port.")] = 8000,
    reject: Reject = None,
    device: Device = "auto",
    max_bytes: Annotated[int, typer.Option("--max-bytes", min=1, help="Largest request.")] = 20_000_000,
    max_pixels: Annotated[int, typer.Option("--max-pixels", min=1, help="Largest image.")] = 50_000_000,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds to upload, and to answer.")
    ] = 30.0,
    max_batch: Annotated[int, typer.Option("--max-batch", min=1, help="Images classified at once.")] = 32,
    max_pixels_in_flight: Annotated[
        int,
        typer.Option(
            "--max-pixels-in-flight",
            min=1,
            help="Of all images decoded at once, 16 bytes of memory each; formats that take more count for more.",
        ),
    ] = 100_000_000,
    max_bytes_in_flight: Annotated[
        int,
        typer.Option("--max-bytes-in-flight", min=1, help="Of all requests being received; beyond it 503."),
    ] = 256_000_000,
    max_connections: Annotated[
        int, typer.Option("--max-connections", min=1, help="Open at a time; the longest idle one makes room.")
    ] = 512,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            help="Name that requests may be addressed to besides this machine's and addresses; again for more, '*' for all.",
        ),
    ] = None,
) -> None:
    """Serve a classifier over HTTP until interrupted."""
    import socket

    from susx.errors import ServerError

    # The address is claimed first: a port in use should be said before an encoder is loaded.
    # The protocol is named because asyncio sets TCP_NODELAY only where it is: without, each answer takes 40 ms more.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise ServerError(
            f"Cannot listen on {host}:{port} ({error}). Give a free --port, or --port 0."
        ) from error
    from susx.activity import at_rest
    from susx.classifier.connections import create_server
    from susx.classifier.hosts import HostCheck, own_names
    from susx.classifier.serve import create_app
    from susx.classifier.service_limits import Limits
    from susx.printable import for_terminal

    loaded = load_asked(
        "serve", classifier, bundle, runtime, device=device, batch_size=max_batch, reject=reject
    )
    limits = Limits(
        max_bytes, max_pixels, timeout, max_batch, max_bytes_in_flight=max_bytes_in_flight,
        max_pixels_in_flight=max_pixels_in_flight, max_connections=max_connections,
    )  # fmt: skip
    app = HostCheck(create_app(loaded, limits), own_names(host, allow_host or ()))
    for note in loaded.about.notes:
        typer.echo(f"note: {for_terminal(note)}", err=True)
    bound = listening.getsockname()[1]

    def say() -> None:
        at_rest()
        typer.echo(
            f"Serving {len(loaded.about.class_names)} classes on http://{host}:{bound} (docs at /docs)",
            err=True,
        )

    # A body, decoding and the answer may each take their time before the last answer is given.
    with as_service(4 * limits.timeout):
        create_server(app, limits, on_start=say).run(sockets=[listening])
