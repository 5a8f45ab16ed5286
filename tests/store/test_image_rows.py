"""Features by content: added by many, found by all, and never believed where they are damaged."""

from pathlib import Path

import numpy as np

from susx.encoder_id import EncoderId
from susx.store import ArtefactStore, digest_bytes
from susx.store.image_rows import ImageRows


def _some(count: int, first: int = 0) -> tuple[list[str], np.ndarray]:
    numbers = range(first, first + count)
    rows = np.array([[at, at + 1, at + 2] for at in numbers], dtype=np.float32)
    return [digest_bytes(str(at).encode()) for at in numbers], rows


def test_what_one_adds_the_other_finds(tmp_path: Path) -> None:
    """Two that have the store open see each other's rows and hashes; what nobody added is unknown."""
    store, (digests, rows) = ArtefactStore(tmp_path), _some(5)
    one, other = ImageRows(store, EncoderId("tiny", "e" * 64)), ImageRows(store, EncoderId("tiny", "e" * 64))
    assert not other.look(digests).present.any()
    one.add(digests[:3], rows[:3], ["00ff", "", "f" * 16])
    one.add(digests[3:4], rows[3:4])
    found = other.look([*reversed(digests)])
    assert list(found.present) == [False, True, True, True, True]
    assert np.array_equal(found.rows[1:], rows[:4][::-1])
    assert found.hashes == ("", "", "f" * 16, "", "00000000000000ff")


def test_another_encoder_or_precision_shares_nothing(tmp_path: Path) -> None:
    """Features of one are no features of the other."""
    store, (digests, rows) = ArtefactStore(tmp_path), _some(2)
    ImageRows(store, EncoderId("tiny", "e" * 64)).add(digests, rows)
    assert not ImageRows(store, EncoderId("tiny", "f" * 64)).look(digests).present.any()
    assert not ImageRows(store, EncoderId("tiny", "e" * 64, "fp16")).look(digests).present.any()


def test_a_damaged_file_is_passed_over(tmp_path: Path) -> None:
    """A flipped byte, a cut file and a foreign file cost their images alone."""
    store, (digests, rows) = ArtefactStore(tmp_path), _some(6)
    writer = ImageRows(store, EncoderId("tiny", "e" * 64))
    for at in range(3):
        writer.add(digests[at : at + 1], rows[at : at + 1])
    flipped, cut, _ = sorted(writer.folder.glob("*.safetensors"))
    data = bytearray(flipped.read_bytes())
    data[-1] ^= 1
    flipped.write_bytes(data)
    cut.write_bytes(cut.read_bytes()[:40])
    (writer.folder / "x.safetensors").write_bytes(b"what is this")
    assert ImageRows(store, EncoderId("tiny", "e" * 64)).look(digests[:3]).present.sum() == 1


def test_many_small_files_become_one(tmp_path: Path) -> None:
    """Nothing is lost, neither for those who have the small files read nor for those who come after."""
    store, (digests, rows) = ArtefactStore(tmp_path), _some(40)
    writer, reader = (
        ImageRows(store, EncoderId("tiny", "e" * 64)),
        ImageRows(store, EncoderId("tiny", "e" * 64)),
    )
    for at in range(40):
        writer.add(digests[at : at + 1], rows[at : at + 1], [f"{at + 1:016x}"])
    reader.look(digests)
    writer.merge()
    assert len(list(writer.folder.glob("*.safetensors"))) == 1
    for one in (reader, writer, ImageRows(store, EncoderId("tiny", "e" * 64))):
        found = one.look(digests)
        assert found.present.all()
        assert np.array_equal(found.rows, rows)
        assert found.hashes[7] == f"{8:016x}"


def test_a_hash_that_is_taken_later_counts(tmp_path: Path) -> None:
    """Who encodes without hashing does not keep the hash from being kept."""
    store, (digests, rows) = ArtefactStore(tmp_path), _some(1)
    writer = ImageRows(store, EncoderId("tiny", "e" * 64))
    writer.add(digests, rows)
    writer.add(digests, rows, ["00000000000000aa"])
    assert ImageRows(store, EncoderId("tiny", "e" * 64)).look(digests).hashes == ("00000000000000aa",)


def test_gc_takes_what_nobody_asked_for(tmp_path: Path) -> None:
    """Features are kept while they are read."""
    import os

    from susx.store.garbage import collect

    store, (digests, rows) = ArtefactStore(tmp_path), _some(3)
    for encoder in ("e", "f"):
        ImageRows(store, EncoderId("tiny", encoder * 64)).add(digests, rows)
    (tmp_path / "locks").mkdir()
    for path in sorted(tmp_path.glob("features/**/*"), reverse=True):
        os.utime(path, (1, 1))
    ImageRows(store, EncoderId("tiny", "e" * 64)).look(digests)
    collect(store, keep_seconds=3600, delete=True)
    assert ImageRows(store, EncoderId("tiny", "e" * 64)).look(digests).present.all()
    assert not ImageRows(store, EncoderId("tiny", "f" * 64)).look(digests).present.any()
