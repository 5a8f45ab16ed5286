"""What the loopback twins of public sources share: a script of misbehaviour, limits that are kept, pictures that are served."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from susx.testing.collections import Picture
from susx.testing.http_server import LoopbackServer, QuietHandler

__all__ = ["Asked", "SourceHandler", "SourceServer"]

Answer = tuple[int, Any, Mapping[str, str]]
"""Status, JSON, headers."""


@dataclass(frozen=True)
class Asked:
    """One request to the API."""

    path: str
    parameters: dict[str, str]
    headers: dict[str, str] = field(hash=False)


class SourceServer(LoopbackServer):
    """Serves pictures, and an API that a subclass answers.

    Behaviours of a request: ``ok``, ``html``, ``half`` (JSON cut in the middle), ``schema`` (another form), ``empty`` (no results), ``hang``,
    ``drop`` (closes the connection), ``flood`` (an answer without end), or a status such as ``503``.

    Attributes:
        shown: the pictures.
        asked: requests to the API, in their order.
        fetched: path -> number of requests for pictures.
        script: behaviours by the number of the request, from 0; ``always`` for all others.
        limits: (requests, seconds) that are kept for those without a key; more are answered 429 with ``Retry-After``.
        latency: seconds before every answer.
        placeholders: places of pictures in whose place the first is served.
        repeat: results at the end of a page that come again on the next.
        announced: what is said of the number of results; None for the truth.
    """

    repeat: int = 0
    announced: int | None = None

    def __init__(
        self, shown: Sequence[Picture] = (), *, script: Mapping[int, str] | None = None, always: str = "ok",
        limits: Sequence[tuple[int, float]] = (), latency: float = 0.0,
    ) -> None:  # fmt: skip
        self.shown = list(shown)
        self.asked: list[Asked] = []
        self.fetched: Counter[str] = Counter()
        self.script = dict(script or {})
        self.always = always
        self.limits = tuple(limits)
        self.latency = latency
        self.placeholders: set[int] = set()
        self._times: list[float] = []
        super().__init__(SourceHandler)

    @property
    def address(self) -> str:
        """Where the API begins."""
        return f"http://{self.host}/v1/"

    def picture(self, number: int) -> str:
        """Return the link of a picture."""
        return f"http://{self.host}/photo/{number}.jpg"

    def serves(self, query: Mapping[str, str]) -> bool:
        """Whether a link of a picture is good, by what it says behind the question mark."""
        return True

    def answer(self, path: str, parameters: dict[str, str], headers: Mapping[str, str]) -> Answer:
        """Answer a request to the API."""
        raise NotImplementedError

    def keyed(self, headers: Mapping[str, str]) -> bool:
        """Whether a request carries a key, and is not limited."""
        return False

    def note(self, asked: Asked) -> tuple[str, float]:
        """Count a request; return its behaviour and, where there were too many, the seconds to wait."""
        with self.lock:
            number = len(self.asked)
            self.asked.append(asked)
            if not self.keyed(asked.headers):
                now = time.monotonic()
                for most, seconds in self.limits:
                    inside = [moment for moment in self._times if moment > now - seconds]
                    if len(inside) >= most:
                        return "429", inside[-most] + seconds - now
                self._times.append(now)
            return self.script.get(number, self.always), 0.0


class SourceHandler(QuietHandler):
    """Answers by what the server says."""

    state: SourceServer

    def do_GET(self) -> None:
        """Serve a picture or answer a question."""
        parts = urlsplit(self.path)
        kind, _, rest = parts.path.lstrip("/").partition("/")
        try:
            if kind == "photo":
                self._photo(int(rest.partition(".")[0]), parts.path, dict(parse_qsl(parts.query)))
            else:
                self._api(parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)))
        except (BrokenPipeError, ConnectionResetError):
            pass

    def do_POST(self) -> None:
        """Answer a form."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self._api(urlsplit(self.path).path, dict(parse_qsl(body)))

    def _photo(self, number: int, path: str, query: Mapping[str, str]) -> None:
        self.state.closing.wait(self.state.latency)
        if not self.state.serves(query):
            self._send(403, b"Request has expired", "text/plain")
            return
        with self.state.lock:
            self.state.fetched[path.lstrip("/")] += 1
        if not 0 <= number < len(self.state.shown):
            self._send(404, b"gone", "text/plain")
            return
        at = 0 if number in self.state.placeholders else number
        self._send(200, self.state.shown[at].image, "image/jpeg")

    def _api(self, path: str, parameters: dict[str, str]) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        behaviour, wait = self.state.note(Asked(path, parameters, headers))
        self.state.closing.wait(self.state.latency)
        if behaviour == "429":
            self._send(
                429, b'{"detail": "Request was throttled."}', extra={"Retry-After": str(int(wait) + 1)}
            )
        elif behaviour.isdigit():
            self._send(int(behaviour), b"<html>Bad Gateway</html>", "text/html")
        elif behaviour == "hang":
            self.state.closing.wait(60)
        elif behaviour == "drop":
            self.close_connection = True
            self.connection.close()
        elif behaviour == "html":
            self._send(200, b"<!DOCTYPE html><html><body>Checking your browser</body></html>", "text/html")
        elif behaviour == "schema":
            self._send(200, b'{"version": 9, "items": [{"identifier": 1}]}')
        elif behaviour == "flood":
            self.send_response(200)
            self.end_headers()
            for _ in range(512):
                self.wfile.write(b" " * (1 << 20))
        else:
            status, answer, extra = self.state.answer(path, parameters, headers)
            body = json.dumps(answer).encode()
            self._send(status, body[: len(body) // 2] if behaviour == "half" else body, extra=extra)

    def _send(
        self, status: int, body: bytes, kind: str = "application/json", extra: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
