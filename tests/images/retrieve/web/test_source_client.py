"""How questions of one build share a source: the first finds out whether it answers, the others then ask side by side."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from susx.images.retrieve.web import WebClient
from susx.images.retrieve.web.quota import Limit


@pytest.mark.parametrize("in_memory", [False, True])
def test_who_waited_for_the_first_answer_does_not_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    """All four wait at the lock while the first is asked; a server that answers four at once alone gets them at once."""
    monkeypatch.setenv("SUSX_CACHE", str(tmp_path / "cache"))
    waiting, together = threading.Event(), threading.Barrier(4)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "first" in self.path:
                waiting.wait(30)
            else:
                together.wait(30)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *parts: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = WebClient(
            "twin", f"http://127.0.0.1:{server.server_port}/", [Limit(1000, 60.0)], work=None if in_memory else tmp_path, build="one",
        )  # fmt: skip
        with ThreadPoolExecutor(5) as pool:
            first = pool.submit(client.get, "first", {})
            while not client._first.locked():
                pass
            others = [pool.submit(client.get, f"other{n}", {}) for n in range(4)]
            threading.Timer(1.0, waiting.set).start()
            assert [one.result(60) for one in (first, *others)] == [{}] * 5
        server.shutdown()
