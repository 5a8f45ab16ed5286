"""A folder that is written whole or not at all, also by a process that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from susx.store.disk import whole_folder

_WRITER = """
import sys, time
from pathlib import Path
from susx.store.disk import whole_folder
with whole_folder(Path(sys.argv[1])) as partial:
    (partial / "half.txt").write_text("half")
    print("begun", flush=True)
    time.sleep(600)
"""


def _writer(out: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(out)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"begun"
    return process


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    """And what one at work has is left alone, like folders that are only called alike."""
    (tmp_path / ".out-notes.part").mkdir()
    killed, working = _writer(tmp_path / "out"), _writer(tmp_path / "out")
    try:
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        assert len(list(tmp_path.glob(".out-????????.part"))) == 2
        with whole_folder(tmp_path / "out") as partial:
            (partial / "whole.txt").write_text("whole")
            assert len(list(tmp_path.glob(".out-????????.part"))) == 2  # this one and the one at work
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["whole.txt"]
    finally:
        working.kill()
        working.wait()
        for process in (killed, working):
            assert process.stdout is not None
            process.stdout.close()
    with pytest.raises(RuntimeError), whole_folder(tmp_path / "other"):
        raise RuntimeError
    assert (tmp_path / ".out-notes.part").is_dir()
    assert not list(tmp_path.glob(".other-*"))
