"""The temporary Prefect server as a program: ``python server_process.py FD``, with a bound socket as that descriptor.

It writes one line to standard output once it serves, and ends when its standard input is closed: the parent holds
the other end, so the server ends however the parent does, SIGKILL included. It is run by its path and imports nothing
of susx, so that it starts while the rest is still being imported.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time

_GRACE = 3.0
"""Seconds between asking this server to end and ending it."""


def _end_with_parent() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 64):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os._exit(1)


def _serve(descriptor: int) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import uvicorn

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                os.write(1, b"ready\n")
                os.dup2(2, 1)

    config = uvicorn.Config(
        "prefect.server.api.server:create_app", factory=True, log_level="error", lifespan="on"
    )
    server = Announcing(config)
    server.run([socket.socket(fileno=descriptor)])
    sys.exit(0 if server.started else 3)


if __name__ == "__main__":
    # Python before 3.11 knows no PYTHONSAFEPATH and looks for modules beside a script first.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or ".") != here]
    _serve(int(sys.argv[1]))
