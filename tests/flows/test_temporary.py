"""The temporary Prefect server: its own database, its own port, its own end."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from susx.errors import ServerError
from susx.flows.temporary import TemporaryServer
from susx.testing.http_knn import ScriptedKnn
from tests.flows.conftest import ROOT, build_command, wait_for


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for all tests of this file: a new database takes a server ten seconds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def home(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose Prefect was used with a newer version: its database is at a revision nobody here knows."""
    folder = tmp_path / "home" / ".prefect"
    folder.mkdir(parents=True)
    with sqlite3.connect(folder / "prefect.db") as database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        database.execute("INSERT INTO alembic_version VALUES ('ffffffffffff')")
    database.close()
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    for name in [name for name in os.environ if name.startswith("PREFECT_") and "URL" in name]:
        monkeypatch.delenv(name)
    return folder


def healthy(url: str) -> bool:
    return urllib.request.urlopen(url + "/health", timeout=10).status == 200


def test_two_servers_beside_a_newer_prefect(home: Path, cache: Path, tmp_path: Path) -> None:
    """Two at once have a port and a database each, and leave what a newer Prefect left at home alone."""
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    servers = [TemporaryServer(tmp_path / "store") for _ in range(2)]
    try:
        for server in servers:
            server.start()
        for server in servers:
            server.wait()
            assert healthy(server.url)
        assert servers[0].url != servers[1].url
        assert len(list(cache.rglob("prefect.db"))) == 2
    finally:
        for server in servers:
            server.stop()
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before
    assert not (tmp_path / "store").exists()
    assert "PREFECT_API_URL" not in os.environ


def test_a_damaged_database_is_replaced(home: Path, cache: Path, tmp_path: Path) -> None:
    """Bytes that are no database, and a database of another revision, cost a second start and nothing else."""
    server = TemporaryServer(tmp_path)
    server.start()
    server.stop()
    [database] = [path for path in cache.rglob("prefect.db") if path.parent.name == "0"] or [
        next(cache.glob("susx/*")) / "0" / "prefect.db"
    ]
    for path in database.parent.glob("prefect.db-*"):
        path.unlink()
    database.write_bytes((home / "prefect.db").read_bytes())
    server = TemporaryServer(tmp_path)
    server.start()
    try:
        server.wait()
        assert healthy(server.url)
    finally:
        server.stop()


def test_a_home_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database goes below the store."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    server = TemporaryServer(tmp_path / "store")
    server.start()
    server.stop()
    assert list((tmp_path / "store").glob("prefect-*/0"))
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    with pytest.raises(Exception, match="/dev/null"):
        TemporaryServer(Path("/dev/null")).start()


def test_a_server_that_dies_says_why_at_once(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configured database is used as it is; one that does not open ends the start with the server's own words."""
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", f"sqlite+aiosqlite:///{home}/prefect.db")
    server = TemporaryServer(tmp_path)
    begun = time.monotonic()
    server.start()
    with pytest.raises(ServerError, match="ffffffffffff"):
        server.wait()
    assert time.monotonic() - begun < 60
    with sqlite3.connect(home / "prefect.db") as database:
        assert database.execute("SELECT * FROM alembic_version").fetchall() == [("ffffffffffff",)]
    database.close()


def test_a_server_that_takes_too_long_is_told_as_that(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a build does afterwards, to end it and throw its database away, hides nothing of the paragraph."""
    monkeypatch.setattr("susx.flows.temporary.STARTUP_SECONDS", 0.0)
    server = TemporaryServer(tmp_path)
    server.start()
    with pytest.raises(ServerError, match="Wait for a less busy machine"):
        server.wait()
    server.stop(discard=True)


START = """
import sys
from pathlib import Path
from susx.flows.temporary import TemporaryServer
server = TemporaryServer(Path(sys.argv[1]))
server.start()
server.wait()
print(server._process.pid, flush=True)
sys.stdin.read()
"""


def test_no_server_outlives_its_parent_and_no_file_here_is_executed(home: Path, tmp_path: Path) -> None:
    """SIGKILL of the parent ends the server; modules of the current folder are not taken for Python's own."""
    here = tmp_path / "here"
    here.mkdir()
    for name in ("queue", "html", "uvicorn", "json"):
        (here / f"{name}.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'a').write('{name} ')\n")
    program = tmp_path / "start.py"
    program.write_text(START)
    parent = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path)], cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        assert parent.stdout is not None
        server = psutil.Process(int(parent.stdout.readline()))
    finally:
        parent.kill()
        parent.communicate()
    wait_for(lambda: not server.is_running() or server.status() == "zombie", 10, "the server lives on")
    assert not (tmp_path / "executed").exists()


def _hear_signals() -> None:
    """Undo what ``nohup`` or a shell's ``&`` around the tests made the child ignore."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "SIGTERM"), (signal.SIGHUP, 129, "SIGHUP")],
)
def test_a_build_ends_on_signals(
    small: Path, env: dict[str, str], home: Path, tmp_path: Path, number: int, code: int, word: str
) -> None:
    """A terminal's signal reaches the whole group: words, the exit code of the signal, soon, and no process left."""
    env |= {name: os.environ[name] for name in ("HOME", "XDG_CACHE_HOME")}
    store = tmp_path / "store"
    with (tmp_path / "log").open("wb") as log:
        build = subprocess.Popen(
            build_command(small, str(store)),
            cwd=ROOT,
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_hear_signals,
        )
    try:
        wait_for(lambda: (store / "artefacts").is_dir() or build.poll() is not None, 200, "no stage ended")
        children = psutil.Process(build.pid).children(recursive=True)
        assert any("server_process.py" in " ".join(child.cmdline()) for child in children)
        asked = time.monotonic()
        os.killpg(build.pid, number)
        assert build.wait(60) == code, (tmp_path / "log").read_text()
        # Three seconds on a machine that has a core for it.
        assert time.monotonic() - asked < (3 if os.getloadavg()[0] < (os.cpu_count() or 1) else 12)
    finally:
        if build.poll() is None:
            os.killpg(build.pid, signal.SIGKILL)
            build.wait()
    said = (tmp_path / "log").read_text()
    assert said.count(word) == 1
    assert "Finished work is kept" in said
    assert "Traceback" not in said
    wait_for(lambda: not psutil.wait_procs(children, 0)[1], 5, f"processes live on: {children}")


def test_a_service_that_is_down_is_told_once(
    small: Path, env: dict[str, str], home: Path, tmp_path: Path
) -> None:
    """The first class finds it out, no other class asks again, and what other stages did stays."""
    env |= {name: os.environ[name] for name in ("HOME", "XDG_CACHE_HOME")}
    store = tmp_path / "store"
    words = ["--mode", "retrieve", "--per-class", "2", "--store", str(store)]
    with ScriptedKnn("502") as knn:
        settings = ["--set", "retrieval.backend=service", "--set", f"retrieval.url={knn.url}"]
        done = subprocess.run(
            [sys.executable, "-m", "susx.flows.build", "--dataset", str(small), *words, *settings],
            cwd=ROOT, env=env, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        asked = len(knn.queries)
    assert done.returncode not in (0, 130)
    assert "HTTP 502 with a web page" in done.stderr
    assert "Traceback" not in done.stderr
    assert 4 <= asked <= 8
    assert len(list((store / "artefacts" / "encode-texts").glob("*/*/manifest.json"))) == 3


def test_a_configured_server_that_is_dead(small: Path, env: dict[str, str], tmp_path: Path) -> None:
    """One paragraph that names it: from the environment, and from Prefect's profile."""
    home = Path(env["PREFECT_HOME"])
    home.mkdir()
    by_profile = dict(env)
    (home / "profiles.toml").write_text(
        'active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "http://127.0.0.1:1/api"\n'
    )
    by_variable = env | {"PREFECT_API_URL": "http://127.0.0.1:1/api", "PREFECT_HOME": str(tmp_path)}
    for environment in (by_profile, by_variable):
        done = subprocess.run(
            build_command(small, str(tmp_path / "store")),
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2, done.stdout + done.stderr
        said = " ".join(done.stderr.split())
        assert "Prefect server at http://127.0.0.1:1/api does not answer" in said
        assert "Traceback" not in done.stdout + done.stderr
        assert len(done.stderr.splitlines()) < 8
    assert not (tmp_path / "store" / "artefacts").exists()
