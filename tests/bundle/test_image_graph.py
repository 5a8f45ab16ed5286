"""How the image tower runs: side by side or with all threads, the answers are the same, and in 8 bits nobody's depend on the company."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from susx.bundle import load_bundle, quantise, sessions
from susx.bundle.check_pictures import drawn_pictures
from susx.bundle.image_graph import ImageGraph
from susx.bundle.sessions import open_session, threads_here
from susx.bundle.write_bundle import export_bundle
from susx.errors import ModelError


class Watched:
    """A real session that notes what it is asked, and by which thread."""

    def __init__(self, session, threads: int, seen: list[tuple[int, int, str]]) -> None:
        self.session, self.threads, self.seen = session, threads, seen

    def run(self, outputs, inputs):
        """Note it, and run."""
        self.seen.append((self.threads, len(inputs["pixels"]), threading.current_thread().name))
        return self.session.run(outputs, inputs)


@pytest.fixture
def graph(bundle_folder: Path):
    """Function (settings) -> the bundle's tower, and what its sessions were asked: threads of a run, pictures, thread."""

    def opened(**settings):
        seen: list[tuple[int, int, str]] = []

        def session(threads: int) -> Watched:
            beside = frozenset({"image.onnx.data"})
            return Watched(
                open_session(bundle_folder / "image.onnx", beside=beside, threads=threads), threads, seen
            )

        return ImageGraph(session, **settings), seen

    return opened


@pytest.fixture(scope="module")
def pixels(bundle_folder: Path) -> list[np.ndarray]:
    """Inputs of 21 pictures."""
    bundle = load_bundle(bundle_folder, device="cpu")
    return [bundle.prepare(picture) for picture in drawn_pictures(21, seed=2)]


def rows(graph: ImageGraph, pixels, batch_size: int) -> np.ndarray:
    return np.concatenate([features for (features,) in graph.run(["features"], pixels, batch_size)])


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("threads", [0, 1, 2, 3])
def test_rows_are_in_the_order_of_the_pictures(threads, alone, graph, pixels):
    """However many runs there are side by side, and for a sequence as for a stream."""
    one_by_one = np.concatenate([rows(graph(threads=1)[0], [one], 1) for one in pixels])
    tower, _ = graph(threads=threads, alone=alone)
    for batch_size in (1, 4, 64):
        np.testing.assert_allclose(rows(tower, pixels, batch_size), one_by_one, atol=1e-5)
        np.testing.assert_allclose(rows(tower, iter(pixels), batch_size), one_by_one, atol=1e-5)


def test_many_run_side_by_side_and_one_alone_takes_all_threads(graph, pixels):
    """No more pictures are in the air than the batch holds; the session of all threads is opened when it is first wanted."""
    tower, seen = graph(threads=4)
    rows(tower, iter(pixels), 8)
    assert {threads for threads, _, _ in seen} == {1}
    assert max(count for _, count, _ in seen) == 2
    assert all(name.startswith("tower") for _, _, name in seen)
    seen.clear()
    rows(tower, pixels[:3], 8)
    assert seen == [(4, 3, threading.current_thread().name)]
    tower, seen = graph(threads=2)
    rows(tower, pixels[:1], 8)
    assert [(threads, count) for threads, count, _ in seen] == [(1, 1)]  # weights are packed once
    tower, seen = graph(threads=2, few=True)
    rows(tower, iter(pixels[:3]), 8)
    assert [(threads, count) for threads, count, _ in seen] == [(2, 3)]


def test_whole_batches_go_to_another_device(graph, pixels):
    """Nothing is cut up for a processor that is fed by one thread."""
    tower, seen = graph(threads=0)
    rows(tower, iter(pixels), 16)
    assert [(threads, count) for threads, count, _ in seen] == [(0, 16), (0, 5)]


@pytest.mark.parametrize("threads", [1, 2])
def test_what_ends_the_stream_ends_the_runs(threads, graph, pixels):
    """A fault of whoever prepares the pictures is that fault, not one of the tower; a fault of the tower is said as well."""

    def broken():
        yield from pixels[:20]
        raise KeyError("the 21st")

    tower, _ = graph(threads=threads)
    with pytest.raises(KeyError, match="the 21st"):
        rows(tower, broken(), 4)
    with pytest.raises(Exception, match="pixels"):
        rows(tower, [np.zeros((3, 5, 5), np.float32)] * 4, 4)
    assert rows(tower, pixels, 4).shape[0] == 21


def test_in_8_bits_no_answer_depends_on_the_company(load, tmp_path, monkeypatch, pixels):
    """The same bits for a picture by itself, between others, beside one of hard edges, and whatever the batch is."""

    def not_this_way(*_: object) -> None:
        raise ValueError("not this way")

    monkeypatch.setattr(quantise, "_static", not_this_way)
    export_bundle(load("torch"), tmp_path / "b", quantise="int8", force=True)
    bundle = load_bundle(tmp_path / "b", device="cpu", batch_size=8)
    assert bundle.stored.description.quantised.how == "dynamic"
    hard = np.full_like(pixels[0], 9)
    hard[:, ::2] = -9
    alone = np.concatenate([bundle.encode([one]).pooled for one in pixels])
    beside = bundle.encode(iter([hard, *pixels, hard])).pooled[1:-1]
    np.testing.assert_array_equal(beside, alone)
    bundle = load_bundle(tmp_path / "b", device="cpu", batch_size=64, few=True)
    np.testing.assert_array_equal(bundle.encode([*pixels, hard]).pooled[:-1], alone)


def test_threads_are_those_that_were_asked_for(monkeypatch):
    """OMP_NUM_THREADS in every form that it has; else the cores of this process; a device that is not here is said to be missing."""
    monkeypatch.setattr(sessions, "_cores", lambda: 4)
    for asked, threads in (("3", 3), (" 2 ", 2), ("3,1", 3), ("1, 1", 1), ("500", 4)):
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
        assert threads_here() == threads
    for nonsense in ("", "many", "0", "-1", "\u00b2", "1.5", "9" * 5000):
        monkeypatch.setenv("OMP_NUM_THREADS", nonsense)
        assert threads_here() == 4
    with pytest.raises(ModelError, match="not a device"):
        threads_here("abacus")
