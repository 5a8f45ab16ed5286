"""A server that speaks an OpenAI-compatible chat endpoint on loopback, as well or as badly as a script says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from susx.testing.http_server import LoopbackServer, QuietHandler

__all__ = ["ScriptedChat", "completion"]


def completion(text: str | None) -> dict[str, Any]:
    """Return the body of a chat completion that says ``text``."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


class ScriptedChat(LoopbackServer):
    """Answers a question about a class with what ``script(class name, n-th request for it)`` returns.

    That is a text, a pair of status and body (bytes, or what becomes JSON), or a function that returns either.

    Attributes:
        url: the endpoint's base, which ends with ``/v1``.
        requests: each request's body with the name asked about, the path and the key.
    """

    def __init__(self, script: Callable[[str, int], Any]) -> None:
        self.script = script
        self.requests: list[dict[str, Any]] = []
        super().__init__(_Handler)
        self.url = f"http://{self.host}/v1"

    def asked(self, name: str) -> int:
        """Return how often a class was asked about."""
        return sum(request["name"] == name for request in self.requests)


class _Handler(QuietHandler):
    state: ScriptedChat

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match = re.search(r"'([^']+)'", body["messages"][-1]["content"])
        name = match.group(1) if match else ""
        with self.state.lock:
            self.state.requests.append(
                {"name": name, "path": self.path, "key": self.headers["Authorization"], **body}
            )
            count = self.state.asked(name)
        answer = self.state.script(name, count)
        if callable(answer):
            answer = answer()
        status, payload = answer if isinstance(answer, tuple) else (200, completion(answer))
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Retry-After-Ms", "20")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            pass
