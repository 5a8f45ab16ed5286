"""Digests of values and files, and when a remembered one is trusted."""

from __future__ import annotations

import hashlib
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.store import disk, file_digests
from susx.store.file_digests import FileDigests
from susx.store.fingerprint import digest_file, digest_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=5))
def test_order_of_keys_does_not_matter(value):
    """A mapping's digest is that of its content."""
    assert digest_json(value) == digest_json(dict(reversed(list(value.items()))))


@given(JSON, JSON)
def test_different_values_differ(one, other):
    """Two values have the same digest only when they are the same JSON."""
    import json

    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (digest_json(one) == digest_json(other)) == same


def test_nan_is_refused():
    """Not-a-number has no place in a key."""
    with pytest.raises(ValueError, match="JSON"):
        digest_json({"alpha": float("nan")})


def test_file_digest(tmp_path):
    """A file's digest is the sha256 of its bytes, over several chunks."""
    data = os.urandom(3 << 20)
    (tmp_path / "f").write_bytes(data)
    assert digest_file(tmp_path / "f") == hashlib.sha256(data).hexdigest()


@pytest.fixture
def hashed(monkeypatch):
    """The paths that were read, in order."""
    calls = []
    monkeypatch.setattr(file_digests, "digest_file", lambda path: calls.append(path) or digest_file(path))
    return calls


def test_remembered_digest(tmp_path, monkeypatch, hashed):
    """An untouched file is hashed once; one that changed a moment ago is hashed every time."""
    path, digests = tmp_path / "f", FileDigests(tmp_path / "memory.json")
    path.write_bytes(b"one")
    assert digests(path) == digests(path) == digest_file(path)
    assert len(hashed) == 2
    monkeypatch.setattr(disk, "SETTLE_NS", 0)
    time.sleep(0.01)
    digests(path)
    digests(path)
    assert len(hashed) == 3
    path.write_bytes(b"two")
    assert digests(path) == digest_file(path)
    assert not (tmp_path / "memory.json").exists()


def test_a_large_file_is_read_once_for_all_processes(tmp_path, monkeypatch, hashed):
    """Another process believes what is known of it, until the file, or the boot of the machine, is another."""
    monkeypatch.setattr(disk, "SETTLE_NS", 0)
    path, memory = tmp_path / "weights", tmp_path / "cache" / "memory.json"
    path.write_bytes(bytes(file_digests.LARGE))
    time.sleep(0.01)
    first = FileDigests(memory)(path)
    assert FileDigests(memory)(path) == first == digest_file(path)
    assert len(hashed) == 1
    with monkeypatch.context() as other:
        other.setattr(file_digests, "boot", lambda: "another")
        FileDigests(memory)(path)
    assert len(hashed) == 2
    stat = path.stat()
    path.write_bytes(bytes(file_digests.LARGE - 1) + b"x")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert FileDigests(memory)(path) == digest_file(path) != first


@pytest.mark.parametrize("torn", [b"", b"[1, 2]", b'{"a": 3', b'{"key": 7}', b"\xff"])
def test_torn_memory_is_no_harm(tmp_path, monkeypatch, torn):
    """What cannot be read is hashed again, and a folder that cannot be written costs time only."""
    monkeypatch.setattr(disk, "SETTLE_NS", 0)
    path, memory = tmp_path / "weights", tmp_path / "memory.json"
    path.write_bytes(bytes(file_digests.LARGE))
    memory.write_bytes(torn)
    assert FileDigests(memory)(path) == digest_file(path)
    assert FileDigests(path / "below" / "memory.json")(path) == digest_file(path)
