"""The service told to end while clients ask: whatever reached it is answered, and only machines' own names are."""

from __future__ import annotations

import asyncio
import http.client
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from susx.classifier.connections import create_server
from susx.classifier.hosts import HostCheck, own_names
from susx.classifier.service_limits import Limits


async def small(scope, receive, send):
    """An application that answers a moment later."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await asyncio.sleep(0.01)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


class Running:
    """A server of an application, in a thread."""

    def __init__(self, app, **limits):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.address = self.socket.getsockname()
        self.server = create_server(app, Limits(**limits))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def stop(self):
        """End it as SIGTERM does."""
        self.server.should_exit = True
        self.thread.join(60)
        assert not self.thread.is_alive()


def client(address, keep, ended, fates):
    """Ask until the service is gone: each request that was fully sent is to be answered."""
    request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    connection = None
    while not ended.is_set():
        if connection is None:
            try:
                connection = socket.create_connection(address, timeout=30)
            except OSError:
                return  # nobody listens any more: nothing was sent
        try:
            connection.sendall(request)
        except OSError:
            fates.append("not sent")
            return
        try:
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            answer.read()
        except (OSError, http.client.HTTPException):
            fates.append("reset")
            connection = None
            continue
        fates.append("answered")
        if not keep or answer.will_close:
            connection.close()
            connection = None


@pytest.mark.parametrize("keep", [True, False], ids=["kept connections", "a connection a request"])
def test_what_was_sent_is_answered_when_the_service_ends(keep):
    """Forty clients ask without a pause while it is told to end: no request that was fully sent is reset."""
    running, ended, fates = Running(small, timeout=10), threading.Event(), []
    threads = [threading.Thread(target=client, args=(running.address, keep, ended, fates)) for _ in range(40)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    running.stop()
    ended.set()
    for thread in threads:
        thread.join(60)
    assert fates.count("answered") > 40
    assert fates.count("reset") == 0
    assert fates.count("not sent") == 0


def test_a_connection_outlives_what_clients_keep():
    """A connection that rests after an answer is used again after longer than clients' pools keep one (httpx: 5 seconds)."""
    running = Running(small, header_timeout=0.3, keep_alive=60.0)
    try:
        with socket.create_connection(running.address, timeout=10) as connection:
            for _ in range(2):
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                answer = http.client.HTTPResponse(connection)
                answer.begin()
                assert (answer.status, answer.read()) == (200, b"ok")
                time.sleep(0.8)
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200), ("127.0.0.1:8000", 200), ("[::1]:8000", 200), ("10.1.2.3", 200), ("localhost:1", 200), ("LOCALHOST.", 200),
        ("a.localhost", 200), ("listening.example", 200), ("allowed.example", 200), ("ALLOWED.example:99", 200),
        ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("localhost.evil.example", 421), ("", 421),
    ],
)  # fmt: skip
def test_only_names_of_this_machine_are_answered(host, status):
    """A name of somebody else's that leads here (DNS rebinding) gets 421 and what to do."""
    app = HostCheck(small, own_names("listening.example", ["allowed.example"]))

    async def ask():
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://x", headers={"Host": host}
        ) as asking:
            return await asking.post("/predict", content=b"x" * 1000)

    answer = asyncio.run(ask())
    assert answer.status_code == status
    if status == 421:
        assert "--allow-host" in answer.json()["detail"]


def test_a_star_allows_every_name():
    """Behind a proxy that checks names itself."""
    app = HostCheck(small, own_names("x", ["*"]))

    async def ask():
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://evil.example"
        ) as asking:
            return await asking.get("/")

    assert asyncio.run(ask()).status_code == 200


def test_the_command_drains_and_promises_nothing_to_go_on_with(place, answering, draw):
    """SIGTERM: requests under way are answered, and the last sentence is a service's; a foreign Host is refused."""
    code = "import sys; from susx.cli import main; main(sys.argv[1:])"
    arguments = [sys.executable, "-c", code, "serve", *place, "--port", "0"]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        line = next(line for line in process.stderr if "http://" in line)
        port = int(line.partition("http://127.0.0.1:")[2].partition(" ")[0])
        url = f"http://127.0.0.1:{port}"
        foreign = httpx.get(f"{url}/healthz", headers={"Host": "evil.example"}, trust_env=False, timeout=60)
        fates, ended = [], threading.Event()
        threads = [
            threading.Thread(target=client, args=(("127.0.0.1", port), True, ended, fates)) for _ in range(10)
        ]
        for thread in threads:
            thread.start()
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        ended.set()
        for thread in threads:
            thread.join(60)
    assert foreign.status_code == 421
    assert "reset" not in fates
    assert process.returncode == 128 + signal.SIGTERM
    assert "Ended by SIGTERM. What had reached the service was answered." in " ".join(rest.split())
    assert "goes on from there" not in rest
    assert "Traceback" not in rest
    assert answering().about.class_names
