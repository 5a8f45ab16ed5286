"""Limits over processes, runs and clocks that jump."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

from susx.images.retrieve.web import Limit, Quota


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """Return its time."""
        return self.now


def test_windows_slide(tmp_path: Path) -> None:
    """Two in ten seconds and three in a hundred: each request leaves its window by its own time."""
    clock = Clock()
    quota = Quota(tmp_path / "q.json", [Limit(2, 10), Limit(3, 100)], clock=clock)
    assert quota.take() == 0
    clock.now += 4
    assert quota.take() == 0
    assert 5.9 < quota.take() < 6.1
    assert [left for _, left in quota.left()] == [0, 1]
    clock.now += 6.01
    assert quota.take() == 0
    assert 89 < quota.take() < 91
    assert [left for _, left in Quota(tmp_path / "q.json", quota.limits, clock=clock).left()] == [0, 0]


def test_a_hold_bars_everybody_until_its_end(tmp_path: Path) -> None:
    clock = Clock()
    Quota(tmp_path / "q.json", [Limit(9, 10)], clock=clock).hold(50)
    other = Quota(tmp_path / "q.json", [Limit(9, 10)], clock=clock)
    assert other.take() == 50
    clock.now += 50
    assert other.take() == 0


def test_a_clock_set_back_and_a_damaged_file_bar_nobody_for_long(tmp_path: Path) -> None:
    clock = Clock()
    quota = Quota(tmp_path / "q.json", [Limit(1, 60)], clock=clock)
    quota.take()
    clock.now -= 86400 * 30
    assert quota.take() == 0
    assert quota.take() > 0
    (tmp_path / "q.json").write_text('{"requests": [1, "x"')
    assert quota.take() == 0


def _take_many(path: Path, taken) -> None:  # type: ignore[no-untyped-def]
    quota = Quota(path, [Limit(25, 3600)])
    taken.put(sum(quota.take() == 0 for _ in range(20)))


def test_processes_share_a_limit(tmp_path: Path) -> None:
    """Four processes want 80 requests of 25: together they get 25."""
    forks = multiprocessing.get_context("fork")
    taken = forks.Queue()
    processes = [forks.Process(target=_take_many, args=(tmp_path / "q.json", taken)) for _ in range(4)]
    for process in processes:
        process.start()
    counts = [taken.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sum(counts) == 25
