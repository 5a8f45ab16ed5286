"""A full disk is told as one, whichever library met it."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from susx import cli
from susx.errors import is_full


def by_python():
    with open("/dev/full", "wb", buffering=0) as file:
        file.write(b"a")


def by_faiss():
    import faiss

    index = faiss.IndexFlatIP(64)
    index.add(np.ones((5000, 64), np.float32))
    faiss.write_index(index, "/dev/full")


def by_numpy():
    with open("/dev/full", "wb") as file:
        np.ones(1 << 20).tofile(file)


def by_arrow():
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": np.arange(1 << 20)}), "/dev/full")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("write", [by_python, by_faiss, by_numpy, by_arrow])
def test_every_writer_is_understood(write):
    """Real errors of real libraries, on a device that is always full."""
    with pytest.raises(Exception) as error:
        write()
    assert is_full(error.value), repr(error.value)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/x/y"), RuntimeError("x: No space left on device")])  # fmt: skip
def test_no_command_ends_in_a_traceback_for_it(error, monkeypatch, capsys):
    """Outside the store too (an index, an export): one paragraph and an exit code."""

    def full(*args, **kwargs):
        raise error

    monkeypatch.setattr(cli, "app", full)
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor"])
    assert ended.value.code == 2
    assert "disk is full" in " ".join(capsys.readouterr().err.split())
