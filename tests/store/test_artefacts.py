"""The store keeps what it promises: verified reads, atomic writes, resumption, words for broken disks."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

import susx.store.check_files
from susx.errors import DamagedArtefact, InputError, StoreError
from susx.pipeline.stage import Stage, execute
from susx.store import ArtefactStore, Job, Ref, disk
from susx.store.inventory import damaged


def write(text="hello", name="a.txt"):
    def run(job, store, out):
        (out / name).write_text(text)
        return {"files": 1}

    return run


def stage(run, **options):
    return Stage("fake", 1, run, "Fake", **options)


def job(**params):
    return Job("fake", 1, "data", "cat", params)


@pytest.fixture
def store(tmp_path):
    return ArtefactStore(tmp_path / "store")


def test_computed_then_cached(store):
    """The same ingredients are computed once; the reference is the same both times."""
    first = execute(stage(write()), job(a=1), store)
    again = execute(stage(write("never")), job(a=1), store)
    assert (first.status, again.status) == ("computed", "cached")
    assert first.ref == again.ref
    assert again.counts == {"files": 1}
    assert store.path(first.ref, "a.txt").read_text() == "hello"


def test_equal_content_has_equal_digest(store):
    """Other ingredients with the same bytes have another key and the same digest: cascades stop there."""
    one = execute(stage(write()), job(a=1), store).ref
    other = execute(stage(write()), job(a=2), store).ref
    assert one.key != other.key
    assert one.digest == other.digest


def test_input_digest_is_in_the_key():
    """An input enters by content: another key upstream with the same digest changes nothing."""

    def with_input(key, digest):
        return Job("fake", 1, "data", "cat", {}, {"x": Ref("up", "", key, digest)}).key

    assert with_input("k1", "d") == with_input("k2", "d")
    assert with_input("k1", "d") != with_input("k1", "e")


def test_execution_is_not_in_the_key():
    """Batch size and paths are not ingredients."""
    assert job().key == Job("fake", 1, "other", "cat", {}, {}, {"batch": 3}).key


@pytest.mark.parametrize("break_it", ["delete", "alter", "truncate", "manifest", "no manifest"])
def test_damage_is_noticed_and_mended(store, break_it):
    """Whatever happens to a stored file, the next run says so and makes the artefact again."""
    ref = execute(stage(write()), job(), store).ref
    path, manifest = store.path(ref, "a.txt"), store.path(ref, "manifest.json")
    if break_it == "delete":
        path.unlink()
    elif break_it == "alter":
        stat = path.stat()
        path.write_text("hullo")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif break_it == "truncate":
        path.write_text("")
    elif break_it == "manifest":
        data = json.loads(manifest.read_text())
        data["files"]["a.txt"] = "0" * 64
        manifest.write_text(json.dumps(data))
    else:
        manifest.unlink()
    with pytest.raises(DamagedArtefact):
        store.find(job())
    mended = execute(stage(write()), job(), store)
    assert (mended.status, bool(mended.rebuilt)) == ("computed", True)
    assert mended.ref == ref
    assert path.read_text() == "hello"


def test_unchanged_files_are_not_hashed(store, monkeypatch):
    """A file is read again when it was touched, when it is as young as the clock is coarse, and in another boot."""
    ref = execute(stage(write()), job(), store).ref
    hashed = []
    original = susx.store.check_files.digest_file
    monkeypatch.setattr(
        susx.store.check_files, "digest_file", lambda path: hashed.append(path) or original(path)
    )

    def reads() -> int:
        hashed.clear()
        store.find(job())
        return len(hashed)

    assert [reads(), reads()] == [1, 1]
    monkeypatch.setattr(disk, "SETTLE_NS", 0)
    assert [reads(), reads()] == [1, 0]
    os.utime(store.path(ref, "a.txt"))
    assert [reads(), reads()] == [1, 0]
    monkeypatch.setattr(disk, "boot", lambda: "another")
    assert [reads(), reads()] == [1, 0]


def test_zeroes_behind_unchanged_facts_are_found_after_a_power_cut(store, monkeypatch):
    """Blocks that came back as zeroes, with size, times and inode as they were: the next boot's build mends them."""
    monkeypatch.setattr(disk, "SETTLE_NS", 0)
    ref = execute(stage(write()), job(), store).ref
    store.find(job())
    path = store.path(ref, "a.txt")
    path.write_bytes(bytes(5))
    stat = store.path(ref, "stat.json")
    known = json.loads(stat.read_text())
    stat.write_text(json.dumps({boot: {"a.txt": disk.facts_of(path)} for boot in known}))
    assert execute(stage(write()), job(), store).status == "cached"
    monkeypatch.setattr(disk, "boot", lambda: "another")
    assert execute(stage(write()), job(), store).status == "computed"
    assert path.read_text() == "hello"


def test_verify_takes_out_what_it_distrusts(store, monkeypatch):
    """What verify calls damaged, the next build makes again, also where the known facts are unchanged."""
    monkeypatch.setattr(disk, "SETTLE_NS", 0)
    ref = execute(stage(write()), job(), store).ref
    store.find(job())
    path, stat = store.path(ref, "a.txt"), store.path(ref, "stat.json")
    path.write_bytes(bytes(5))
    stat.write_text(json.dumps({disk.boot(): {"a.txt": disk.facts_of(path)}}))
    (said,) = damaged(store)
    assert str(path) in said
    assert list(damaged(store)) == []
    assert execute(stage(write()), job(), store).status == "computed"
    assert path.read_text() == "hello"


def test_resumable_stage_keeps_intact_files(store):
    """After damage a resumable stage finds the files that are still as written, and only those."""
    seen = []

    def run(job, store, out):
        seen.append(sorted(p.name for p in out.iterdir()))
        for name in "abc":
            (out / name).write_text(name)
        return {}

    ref = execute(stage(run, resumable=True), job(), store).ref
    store.path(ref, "a").write_text("x")
    store.path(ref, "b").unlink()
    execute(stage(run, resumable=True), job(), store)
    assert seen == [[], ["c"]]


def test_failed_stage_leaves_nothing(store):
    """A stage that fails leaves no artefact; a stage that does not resume starts in an empty folder."""

    def fail(job, store, out):
        assert list(out.iterdir()) == []
        (out / "half").write_text("half")
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            execute(stage(fail), job(), store)
    assert store.find(job()) is None


@pytest.mark.parametrize(("code", "words"), [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only")])
def test_broken_disk_in_words(store, monkeypatch, code, words):
    """A full or read-only disk is one paragraph with what to do; what was there stays usable."""
    ref = execute(stage(write()), job(a=1), store).ref

    def refuse(path, data):
        raise OSError(code, os.strerror(code), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(disk, "write_atomically", refuse)
        with pytest.raises(StoreError, match=words):
            execute(stage(write()), job(a=2), store)
    assert store.find(job(a=1)) == ref
    assert execute(stage(write()), job(a=2), store).status == "computed"


def tensors(job, store, out):
    import torch
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1 << 20)}, out / "a.safetensors")
    return {}


def array(job, store, out):
    import numpy as np

    np.zeros(1 << 20).tofile(out / "a.bin")
    return {}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError("cannot identify image file"), "SusxError"),
        (ConnectionResetError(errno.ECONNRESET, "reset by peer"), "SusxError"),
        (FileNotFoundError(errno.ENOENT, "no such file", "/data/cat.jpg"), "SusxError"),
        (InputError("own words"), "InputError"),
        (OSError(errno.ENOSPC, "full", "/elsewhere/x"), "StoreError"),
        (OSError("4000 requested and 100 written"), "StoreError"),
        (ValueError("a mistake in the code"), "ValueError"),
    ],
)
def test_only_errors_of_the_store_blame_the_store(store, error, kind):
    """An image that cannot be decoded, a network that breaks: named as what they are, not as a broken store."""

    def fail(job, store, out):
        raise error

    with pytest.raises(Exception) as caught:
        execute(stage(fail), job(), store)
    assert type(caught.value).__name__ == kind
    assert ("store cannot be used" in str(caught.value)) == (kind == "StoreError")


def test_a_file_of_the_store_that_is_gone_is_the_stores(store):
    """A missing file below the store's root is said to be the store's."""

    def fail(job, store, out):
        (out / "gone").read_bytes()

    with pytest.raises(StoreError, match=r"cannot be used at .*gone"):
        execute(stage(fail), job(), store)


def test_full_disk_for_real(tmp_path):
    """On a file system that is really full a build says so and leaves no artefact."""
    mount = tmp_path / "small"
    mount.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], capture_output=True
        ).returncode
    ):
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        store = ArtefactStore(mount / "store")
        for fill in (write("x" * (2 << 20)), tensors, array):
            with pytest.raises(StoreError, match="disk is full"):
                execute(stage(fill), job(), store)
            assert store.find(job()) is None
        assert execute(stage(write()), job(a=2), store).status == "computed"
    finally:
        store = None  # a store in use is an open file on the disk
        subprocess.run(["umount", str(mount)], check=True)


def test_four_processes_build_once(tmp_path):
    """Four processes asked for one key: one builds, the others wait for it and read."""
    code = """
        import sys, time
        from susx.pipeline.stage import Stage, execute
        from susx.store import ArtefactStore, Job
        def run(job, store, out):
            with open(sys.argv[2], "a") as file:
                file.write("x")
            time.sleep(0.3)
            (out / "a.txt").write_text("hello")
            return {}
        execute(Stage("fake", 1, run, "Fake"), Job("fake", 1, "data", "cat"), ArtefactStore(sys.argv[1]))
    """
    marker = tmp_path / "built"
    words = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "store"), str(marker)]
    workers = [subprocess.Popen(words) for _ in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4
    assert marker.read_text() == "x"


def test_killed_builder_lets_go(tmp_path):
    """A builder killed with SIGKILL holds no lock and leaves no artefact; its finished files are taken up."""
    code = """
        import sys, time
        from susx.pipeline.stage import Stage, execute
        from susx.store import ArtefactStore, Job
        def run(job, store, out):
            (out / "one").write_text("1")
            print("written", flush=True)
            time.sleep(60)
        execute(Stage("fake", 1, run, "Fake", resumable=True), Job("fake", 1, "data", "cat"), ArtefactStore(sys.argv[1]))
    """
    root = str(tmp_path / "store")
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), root], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "written\n"
    store = ArtefactStore(root)
    assert store.running(job())
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert not store.running(job())
    assert store.find(job()) is None

    def finish(job, store, out):
        assert (out / "one").read_text() == "1"
        (out / "two").write_text("2")
        return {}

    assert execute(stage(finish, resumable=True), job(), store).status == "computed"


def test_clock_set_back(store, monkeypatch):
    """A clock that runs backwards changes no decision: keys and checks hold no time."""
    ref = execute(stage(write()), job(), store).ref
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert execute(stage(write()), job(), store).status == "cached"
    assert execute(stage(write()), job(a=1), store).status == "computed"
    assert execute(stage(write()), job(a=1), store).status == "cached"
    assert store.find(job()) == ref


def test_donors_of_an_earlier_run(store):
    """A stage is shown the folder of the last artefact of the same class, to take finished files over."""
    ref = execute(stage(write()), job(count=1), store).ref
    assert store.donors(job(count=2)) == [store.folder(ref)]
    other = Job("fake", 1, "data", "dog", {"count": 2})
    assert store.donors(other) == []
