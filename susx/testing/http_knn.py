"""A kNN endpoint on loopback that answers whatever a test tells it to, one behaviour per request."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from susx.testing.http_server import LoopbackServer, QuietHandler

__all__ = ["ScriptedKnn"]

RESULTS = [
    {"id": 3, "similarity": 0.31, "url": "http://example.org/3.jpg", "caption": "three", "NSFW": "UNLIKELY"}
]


class ScriptedKnn(LoopbackServer):
    """Answers ``POST /knn-service`` by a script; after its end the last behaviour repeats.

    Behaviours: ``ok``, ``empty``, ``html``, ``malformed``, ``object``, ``hang``, ``drip`` (a byte at a time), ``drop`` (closes the
    connection), ``flood`` (an answer without end), ``nested`` (JSON in 200,000 brackets), or a status such as ``502`` or ``429``.

    Attributes:
        queries: the JSON bodies that came.
    """

    def __init__(self, *script: str, indices: Sequence[str] = ("demo",), manifest: Any = None) -> None:
        self.script = list(script)
        self.indices = list(indices)
        self.manifest = manifest
        self.queries: list[Any] = []
        super().__init__(_Handler)

    @property
    def url(self) -> str:
        """Address of the endpoint."""
        return f"http://{self.host}/knn-service"

    def next(self, query: Any) -> str:
        """Note a query and return how to answer it."""
        with self.lock:
            self.queries.append(query)
            return self.script[min(len(self.queries), len(self.script)) - 1]


class _Handler(QuietHandler):
    state: ScriptedKnn

    def do_GET(self) -> None:
        if self.path == "/indices-list":
            self._send(200, json.dumps(self.state.indices).encode())
        elif self.path == "/susx-index" and self.state.manifest is not None:
            self._send(200, json.dumps(self.state.manifest).encode())
        else:
            self._send(404, b"<html>not here</html>")

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        behaviour = self.state.next(query)
        bodies = {
            "ok": json.dumps(RESULTS).encode(),
            "empty": b"[]",
            "html": b"<!DOCTYPE html><html><body>Welcome</body></html>",
            "malformed": b'[{"id": 3, "simil',
            "object": b'{"message": "no"}',
            "nested": b"[" * 200_000,
        }
        if behaviour == "hang":
            self.state.closing.wait(60)
        elif behaviour == "drip":
            self._send(200, bodies["ok"], pause=0.1)
        elif behaviour == "flood":
            self._flood()
        elif behaviour == "drop":
            self.close_connection = True
            self.connection.close()
        elif behaviour.isdigit():
            self._send(int(behaviour), b"<html><h1>Bad Gateway</h1></html>", {"Retry-After": "0"})
        else:
            self._send(200, bodies[behaviour])

    def _flood(self) -> None:
        """Send half a gigabyte at most."""
        try:
            self.send_response(200)
            self.end_headers()
            for _ in range(512):
                self.wfile.write(b"[" + b" " * ((1 << 20) - 1))
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, pause: float = 0
    ) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            for part in [bytes([byte]) for byte in body] if pause else [body]:
                if self.state.closing.wait(pause):
                    return
                self.wfile.write(part)
        except (BrokenPipeError, ConnectionResetError):
            pass
