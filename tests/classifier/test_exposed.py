"""The service against those who want it to stop: floods of pixels, idle connections, dripping headers."""

from __future__ import annotations

import asyncio
import io
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from PIL import Image

from susx.classifier.connections import create_server
from susx.classifier.serve import create_app
from susx.classifier.service_limits import Limits


@pytest.fixture(scope="module")
def running(place, tmp_path_factory):
    """``susx serve`` in a process of its own: (address, process, file of what it writes)."""
    log = tmp_path_factory.mktemp("service") / "log"
    code = "import sys; from susx.cli import main; main(sys.argv[1:])"
    options = ["--port", "0", "--max-pixels-in-flight", "24000000", "--timeout", "60"]
    arguments = [sys.executable, "-c", code, "serve", *place, *options]
    with log.open("w") as file, subprocess.Popen(arguments, stderr=file) as process:
        try:
            while not (found := re.findall(r"http://[\d.]+:\d+", log.read_text())):
                assert process.poll() is None, log.read_text()
                time.sleep(0.05)
            # The line comes when it is true.
            assert httpx.get(f"{found[0]}/healthz", trust_env=False, timeout=60).status_code == 200
            yield found[0], process, log
        finally:
            process.send_signal(signal.SIGTERM)


def peak(process) -> int:
    """Largest resident memory of a process so far, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    return 1024 * int(found[1])


def sparse_png(width: int, height: int) -> bytes:
    """A picture of one colour: some kilobytes a dozen megapixels."""
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (90, 120, 30)).save(stream, "png", compress_level=9)
    return stream.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("count", [10, pytest.param(80, marks=pytest.mark.nightly)])
def test_many_small_files_of_many_pixels_stay_within_the_budget(running, count):
    """12 megapixels each, all at once: answered or asked to wait, in the memory of two of them."""
    data = sparse_png(4000, 3000)
    assert len(data) < 60_000
    url, process, _ = running
    before = peak(process)

    def post(_):
        return httpx.post(f"{url}/predict", content=data, timeout=300, trust_env=False)

    with ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(post, range(count)))
    grown = peak(process) - before
    assert {a.status_code for a in answers} <= {200, 503}
    assert all(a.headers["retry-after"] for a in answers if a.status_code == 503)
    assert sum(a.status_code == 200 for a in answers) >= count // 2
    assert len({a.text for a in answers if a.status_code == 200}) == 1
    print(f"grown by {grown / 1e6:.0f} MB")
    # Each pixel is held at most four times, with four bytes; 50 MB for threads and what the allocator keeps.
    assert grown < 16 * 24_000_000 + 50_000_000, f"{grown / 1e6:.0f} MB"


def test_idle_connections_do_not_stop_the_service(running):
    """1,150 of them, more than the service takes: the next question is answered, and nothing is written about it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1400:
        pytest.skip("this machine allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1400), hard))
    try:
        url, _, log = running
        said = log.read_text()
        with ExitStack() as stack:
            host, port = url.removeprefix("http://").split(":")
            for _ in range(1150):
                stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
            started = time.perf_counter()
            assert httpx.get(f"{url}/healthz", trust_env=False, timeout=30).status_code == 200
            assert time.perf_counter() - started < 5
        assert httpx.get(f"{url}/healthz", trust_env=False, timeout=30).status_code == 200
        assert log.read_text() == said
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def limited(answering, **limits):
    """The service in this process, with limits that a test can wait for: its (host, port)."""
    chosen = Limits(**limits)
    app = create_app(answering(), chosen)
    with socket.socket() as listening, ThreadPoolExecutor(1) as pool:
        listening.bind(("127.0.0.1", 0))
        server = create_server(app, chosen)
        ended = pool.submit(asyncio.run, server.serve(sockets=[listening]))
        try:
            while not server.started and not ended.done():
                time.sleep(0.01)
            yield listening.getsockname()
        finally:
            server.should_exit = True
            ended.result(60)


def ask(address, path="/healthz"):
    return httpx.get("http://{}:{}{}".format(*address, path), trust_env=False, timeout=60)


def seconds_until_closed(connection, piece=b""):
    """How long the service keeps a connection on which a byte comes now and then."""
    started = time.perf_counter()
    connection.settimeout(0.05)
    while time.perf_counter() - started < 30:
        try:
            if piece:
                connection.sendall(piece)
                time.sleep(0.05)
            if not connection.recv(100):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.perf_counter() - started


def test_dripping_headers_are_cut(answering):
    """A header that never ends, on a new connection and after an answer; nothing at all; a body that never ends."""
    with limited(answering, header_timeout=0.6, timeout=0.3) as address:
        with socket.create_connection(address) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\n")
            assert 0.3 < seconds_until_closed(connection, b"X") < 10
        with socket.create_connection(address) as connection:
            assert 0.3 < seconds_until_closed(connection) < 10
        with socket.create_connection(address) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
            time.sleep(0.2)
            connection.recv(10_000)
            connection.sendall(b"GET")
            assert seconds_until_closed(connection, b"X") < 10
        with socket.create_connection(address) as connection:
            connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
            assert seconds_until_closed(connection, b"X") < 10
        assert ask(address).status_code == 200


def test_beyond_its_connections_it_says_to_come_back(answering):
    """The longest idle one makes room, and is told; where all are at work the newcomer gets 503 with Retry-After."""
    half = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"
    with limited(answering, max_connections=3) as address, ExitStack() as stack:
        idle = stack.enter_context(socket.create_connection(address, timeout=30))
        busy = [stack.enter_context(socket.create_connection(address, timeout=30)) for _ in range(2)]
        for connection in busy:
            connection.sendall(half)
        time.sleep(0.2)
        assert ask(address).status_code == 200  # in the place of the idle one
        assert idle.recv(12) == b"HTTP/1.1 503"
        third = stack.enter_context(socket.create_connection(address, timeout=30))
        third.sendall(half)
        time.sleep(0.2)
        refused = ask(address)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        third.sendall(b"other")
        assert third.recv(100).startswith(b"HTTP/1.1 400")
        assert ask(address).status_code == 200


def test_bodies_share_a_budget_of_memory(answering, draw):
    """What does not fit is refused with 503 while another body is held, and taken when that has gone."""
    stream = io.BytesIO()
    draw("grid", 0).save(stream, "png")
    data = stream.getvalue()
    with limited(answering, max_bytes_in_flight=len(data) + 50) as address:
        url = "http://{}:{}/predict".format(*address)
        with socket.create_connection(address) as other:
            other.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 200\r\n\r\n" + b"x" * 100)
            time.sleep(0.2)
            refused = httpx.post(url, content=data, trust_env=False, timeout=60)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        time.sleep(0.2)
        assert httpx.post(url, content=data, trust_env=False, timeout=60).status_code == 200


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_photographs_are_not_held_by_the_batch(place, tmp_path):
    """A folder of 12-megapixel photographs takes the memory of a few of them: what waits is the encoder's small input."""
    (tmp_path / "0.png").write_bytes(sparse_png(4000, 3000))
    for i in range(1, 24):
        (tmp_path / f"{i}.png").symlink_to(tmp_path / "0.png")
    code = """
import re, sys
from pathlib import Path
from susx.commands.runtime import load_asked
places = {"--classifier": None, "--bundle": None} | {sys.argv[1]: Path(sys.argv[2])}
classifier = load_asked("predict", *places.values(), None, device="cpu", batch_size=64, workers=2)
def peak(): return int(re.findall(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[0]) / 1024
files = sorted(Path(sys.argv[3]).iterdir())
classifier.predict(files[:1])
before = peak()
assert all(p.error is None for p in classifier.predict(files))
print(peak() - before)
"""
    arguments = [sys.executable, "-c", code, *place, str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 250, done.stdout  # MB; 24 of them are 1,150


def test_nothing_is_logged_about_what_clients_do(answering, caplog):
    """Broken forms, and junk that follows an answer: refused or cut, without a line or a traceback."""
    form = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 9\r\n\r\n"
    with limited(answering) as address:
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(form + b"--b\r\nx\x00\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400")
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(b"POST /nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 404")
            connection.sendall(b"no chunk\r\n")
            with suppress(ConnectionResetError):
                connection.recv(1000)
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(b"\x00\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400")
        assert ask(address).status_code == 200
    assert [record for record in caplog.records if not record.name.startswith(("susx", "httpx"))] == []
