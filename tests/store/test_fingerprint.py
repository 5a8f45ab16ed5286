"""Digests of values and files, and when a remembered one is trusted."""

from __future__ import annotations

import hashlib
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.store import fingerprint
from susx.store.fingerprint import FileDigests, digest_file, digest_json

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


def test_remembered_digest(tmp_path, monkeypatch):
    """An untouched file is hashed once; one that changed a moment ago is hashed every time."""
    calls = []
    monkeypatch.setattr(fingerprint, "digest_file", lambda path: calls.append(path) or digest_file(path))
    path, digests = tmp_path / "f", FileDigests()
    path.write_bytes(b"one")
    assert digests(path) == digests(path) == digest_file(path)
    assert len(calls) == 2
    old = time.time_ns() - 10 * fingerprint.SETTLE_NS
    os.utime(path, ns=(old, old))
    digests(path)
    digests(path)
    assert len(calls) == 3
    path.write_bytes(b"two")
    assert digests(path) == digest_file(path)
