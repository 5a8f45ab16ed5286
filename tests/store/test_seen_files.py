"""A photograph is read once: its digest is remembered until the file changes."""

import os
import time
from pathlib import Path

import pytest

from susx.store import ArtefactStore, digest_bytes
from susx.store.seen_files import SeenFiles


def _old(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.fixture
def soon_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is settled as soon as the clock has moved on."""
    monkeypatch.setattr("susx.store.disk.SETTLE_NS", -1)


def test_a_settled_file_is_not_read_again_and_a_changed_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time is what settles a file; a change of one byte is seen."""
    monkeypatch.setattr("susx.store.disk.SETTLE_NS", 50_000_000)
    store, photos = ArtefactStore(tmp_path / "store"), tmp_path / "photos"
    photos.mkdir()
    path = _old(photos / "a.jpg", b"one")
    time.sleep(0.1)
    first = SeenFiles(store, photos)
    assert first.known(path) is None
    assert first(path) == digest_bytes(b"one")
    first.remember()
    assert SeenFiles(store, photos).known(path) == digest_bytes(b"one")
    path.write_bytes(b"two")
    second = SeenFiles(store, photos)
    assert second.known(path) is None
    assert second(path) == digest_bytes(b"two")


def test_a_file_just_written_is_not_remembered(tmp_path: Path) -> None:
    """Another write in the same tick would not show."""
    store = ArtefactStore(tmp_path / "store")
    path = _old(tmp_path / "a.jpg", b"one")
    seen = SeenFiles(store, tmp_path)
    seen(path)
    seen.remember()
    assert SeenFiles(store, tmp_path).known(path) is None


def test_a_torn_memory_is_no_memory(tmp_path: Path, soon_settled: None) -> None:
    """The file is read again."""
    store = ArtefactStore(tmp_path / "store")
    path = _old(tmp_path / "a.jpg", b"one")
    seen = SeenFiles(store, tmp_path)
    seen(path)
    seen.remember()
    (memory,) = (store.root / "features" / "files").iterdir()
    for torn in (b"", b"[]", b'{"boot": 1}', b"{"):
        memory.write_bytes(torn)
        assert SeenFiles(store, tmp_path)(path) == digest_bytes(b"one")


def test_what_is_no_news_is_not_written(tmp_path: Path, soon_settled: None) -> None:
    """Whoever only looks makes no folder, and a second look at the same files leaves the memory as it is."""
    store = ArtefactStore(tmp_path / "store")
    SeenFiles(store, tmp_path).remember()
    assert not (store.root / "features").exists()
    path = _old(tmp_path / "a.jpg", b"one")
    for _ in range(2):
        seen = SeenFiles(store, tmp_path)
        seen(path)
        seen.remember()
        (memory,) = (store.root / "features" / "files").iterdir()
        os.utime(memory, ns=(1, 1))
    seen = SeenFiles(store, tmp_path)
    seen(path)
    seen.remember()
    assert memory.stat().st_mtime_ns == 1


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    """A file's name is bytes."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg"))
    path.write_bytes(b"one")
    seen = SeenFiles(ArtefactStore(tmp_path / "store"), tmp_path)
    assert seen(path) == digest_bytes(b"one")
    seen.remember()
