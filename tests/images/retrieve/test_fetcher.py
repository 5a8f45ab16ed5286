"""img2dataset's process, started before there is anything to fetch."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from susx.config import DownloadConfig
from susx.images.retrieve import download, fetcher
from susx.images.retrieve.fetcher import Fetcher, drop_fetcher, prepare_fetcher, take_fetcher
from susx.testing.http_images import ImageServer

pytest.importorskip("img2dataset")

CONFIG = DownloadConfig(allow_private=True, timeout=3.0)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = set(processes())
    yield
    drop_fetcher(CONFIG)
    assert set(processes()) <= before


def processes() -> list[int]:
    """Return the processes of this one that fetch."""
    return [
        child.pid for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "susx.images.fetch.fetch_worker" in child.cmdline()
    ]  # fmt: skip


def gone(pid: int, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if pid not in processes():
            return True
        time.sleep(0.05)
    return False


def prepared(config: DownloadConfig = CONFIG) -> int:
    """Prepare from several threads that end at once, as those of a flow, and return the process."""
    before = set(processes())
    threads = [threading.Thread(target=prepare_fetcher, args=(config,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    end = time.monotonic() + 20
    while not (new := set(processes()) - before):
        assert time.monotonic() < end
        time.sleep(0.02)
    time.sleep(0.3)
    [pid] = set(processes()) - before
    assert pid in new
    return pid


def test_a_download_takes_what_was_prepared(tmp_path: Path) -> None:
    """One process, however often it was asked for; it outlives the threads that asked, fetches, and ends with the download."""
    pid = prepared()
    with ImageServer() as server:
        seen: list[list[int]] = []
        module = importlib.import_module("susx.images.retrieve.download")
        whole = module._fetch

        def watched(*arguments: object) -> bool:
            seen.append(processes())
            return bool(whole(*arguments))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_fetch", watched)
            fates = download([server.url(f"ok/{n}.jpg") for n in range(5)], tmp_path, CONFIG)
    assert [fate.reason for fate in fates.values()] == [""] * 5
    assert seen == [[pid]]
    assert gone(pid)


def test_other_limits_get_a_process_of_their_own() -> None:
    """Limits are those of the process: one that was started with others is not taken."""
    pid = prepared()
    with take_fetcher(CONFIG.model_copy(update={"allow_private": False})) as other:
        assert other._process.pid != pid
    with take_fetcher(CONFIG) as same:
        assert same._process.pid == pid


def test_what_nobody_takes_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By and by; and at once where a download finds that there is nothing to fetch."""
    pid = prepared()
    assert download([], tmp_path, CONFIG) == {}
    assert gone(pid)
    monkeypatch.setattr(fetcher, "PATIENCE", 1.0)
    pid = prepared()
    assert gone(pid)
    assert not fetcher._waiting
    with take_fetcher(CONFIG) as new:
        assert new.running


def test_one_that_died_meanwhile_is_replaced(tmp_path: Path) -> None:
    pid = prepared()
    psutil.Process(pid).kill()
    assert gone(pid)
    with ImageServer() as server:
        url = server.url("ok/1.jpg")
        assert download([url], tmp_path, CONFIG)[url].reason == ""


def test_what_it_printed_last_is_told() -> None:
    """Of a process that cannot go on: its last words, while it may still be writing."""
    with Fetcher(fetcher._guard(CONFIG)) as one:
        one.start(Path("/nowhere/job.json"))
        end = time.monotonic() + 60
        while (status := one.done(0.1)) is None:
            assert time.monotonic() < end
        assert status
        assert "No such file or directory: '/nowhere/job.json'" in one.last_lines(1)[0]
