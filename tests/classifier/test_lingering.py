"""Whatever was fully sent is answered or refused with words: no client is reset, however its request crosses the closing."""

from __future__ import annotations

import asyncio
import http.client
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest

from susx.classifier import lingering
from tests.classifier.test_ending import Running, small

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


async def reading(scope, receive, send):
    """An application that answers a request before its body has come."""
    if scope["type"] == "lifespan":
        await small(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"no"})


def fate(connection: socket.socket) -> int | str:
    """Return the status of the answer that a client reads after it has sent a request, or what it met in its place."""
    try:
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__


def sent(connection: socket.socket, data: bytes) -> None:
    """Send what the other side takes."""
    with suppress(OSError):
        connection.sendall(data)


def test_a_request_that_crosses_the_closing_is_answered():
    """Kept connections are used again just as their time is up, most of them after the service wrote that it is."""
    running = Running(small, keep_alive=0.25, header_timeout=0.25)

    def one(number: int) -> list[int | str]:
        with socket.create_connection(running.address, timeout=30) as connection:
            fates: list[int | str] = []
            if number % 2:
                connection.sendall(REQUEST)
                fates.append(fate(connection))
            time.sleep(0.2 + number % 20 * 0.01)  # 0.25 is when it is closed
            sent(connection, REQUEST)
            return [*fates, fate(connection)]

    try:
        with ThreadPoolExecutor(80) as pool:
            fates = [one_of for all_of in pool.map(one, range(160)) for one_of in all_of]
    finally:
        running.stop()
    assert set(fates) <= {200, 408}
    assert fates.count(200) >= 80


@pytest.mark.parametrize("most", [3, 20])
def test_more_clients_than_connections_get_an_answer_or_503(most):
    """Two hundred at once, each connected before any asks: those that find no place are told so."""
    running = Running(small, max_connections=most)
    try:
        with ThreadPoolExecutor(200) as pool:
            connections = list(
                pool.map(lambda _: socket.create_connection(running.address, timeout=30), range(200))
            )

            def one(connection: socket.socket) -> int | str:
                with closing(connection):
                    sent(connection, REQUEST)
                    return fate(connection)

            fates = list(pool.map(one, connections))
        assert len(fates) == 200
        assert set(fates) == {200, 503}
        assert fates.count(200) >= most
        with socket.create_connection(running.address, timeout=30) as connection:
            connection.sendall(REQUEST)
            assert fate(connection) == 200  # their places are free again
    finally:
        running.stop()


def test_an_answer_before_the_body_has_come_arrives():
    """A client that sends on gets the refusal and not a reset."""
    running = Running(reading)
    try:
        for _ in range(5):
            with socket.create_connection(running.address, timeout=30) as connection:
                connection.sendall(
                    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000\r\nConnection: close\r\n\r\n"
                )
                sent(connection, b"x" * 9_000_000)
                assert fate(connection) == 413
    finally:
        running.stop()


def test_those_that_linger_are_few_and_not_for_long(monkeypatch):
    """A client that never closes its side is closed after a moment; of many such ones the first make room."""
    monkeypatch.setattr(lingering, "LINGER_SECONDS", 0.3)
    monkeypatch.setattr(lingering, "LINGER_FILES", 4)
    running = Running(small, header_timeout=0.1)
    try:
        connections = [socket.create_connection(running.address, timeout=30) for _ in range(12)]
        deadline = time.monotonic() + 20
        while running.server.server_state.connections and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not running.server.server_state.connections
        for connection in connections:
            with closing(connection):
                assert fate(connection) == 408
    finally:
        running.stop()


def test_a_client_that_has_gone_is_let_go():
    """Nothing is left to wait for where the client reset the connection first."""

    async def ended() -> bool:
        loop = asyncio.get_running_loop()
        kept: dict[lingering.LingeringTransport, None] = {}
        gone = asyncio.Event()

        class Protocol(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport = lingering.LingeringTransport(transport, loop, kept)

            def connection_lost(self, error):
                self.transport.forget()
                gone.set()

        server = await loop.create_server(Protocol, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        writer.transport.abort()
        await asyncio.wait_for(gone.wait(), 10)
        server.close()
        return not kept

    assert asyncio.run(ended())
