"""A file that a writer makes by its path appears whole or not at all."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import susx
from susx.children import child_environment
from susx.store.disk import whole_file


def test_it_appears_when_all_went_well(tmp_path: Path) -> None:
    """With its folder, under the ending that the writer sees; nothing is left beside it."""
    file = tmp_path / "new" / "table.parquet"
    with whole_file(file) as partial:
        partial.write_text("one")
        assert partial.suffix == ".parquet"
        assert not file.exists()
    assert [path.name for path in file.parent.iterdir()] == ["table.parquet"]


def test_the_old_one_stays_when_something_fails(tmp_path: Path) -> None:
    """Whatever was written by then is gone."""
    file = tmp_path / "table.parquet"
    file.write_text("old")
    with pytest.raises(RuntimeError, match="half"):
        _half(file)
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["table.parquet"]


def _half(file: Path) -> None:
    with whole_file(file) as partial:
        partial.write_text("ne")
        raise RuntimeError("half")


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    """Of the same file, and not of one at work; a stranger's file stays."""
    file = tmp_path / "table.parquet"
    code = "import os,sys,pathlib; from susx.store.disk import whole_file\n" \
        "with whole_file(pathlib.Path(sys.argv[1])) as part: part.write_text('half'); os.kill(os.getpid(), 9)"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, str(file)], env=child_environment(), timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / ".table.parquet-notes.part").write_text("a stranger's")
    with whole_file(file) as partial:
        partial.write_text("outer")
        with whole_file(file) as other:
            other.write_text("inner")
        assert partial.read_text() == "outer"
    assert file.read_text() == "outer"
    assert {path.name for path in tmp_path.iterdir()} == {"table.parquet", ".table.parquet-notes.part"}


def test_no_module_has_a_scheme_of_its_own_beside_an_output() -> None:
    """What is written beside its name is named by the process nowhere: the next process would not know it for a leftover."""
    root = Path(susx.__file__).parent
    assert not [
        path for path in root.rglob("*.py") if re.search(r"with_name\([^)]*getpid", path.read_text("utf-8"))
    ]


def test_many_processes_write_one_file(tmp_path: Path) -> None:
    """None takes the part of another for a leftover; the last one's is whole."""
    code = "import sys,pathlib; from susx.store.disk import whole_file\n" \
        "for turn in range(150):\n  with whole_file(pathlib.Path(sys.argv[1])) as part: part.write_text(sys.argv[2] * 1000)"  # fmt: skip
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "a.txt"), word], env=child_environment())
        for word in "xyz"
    ]
    assert [writer.wait(timeout=300) for writer in writers] == [0, 0, 0]
    assert (tmp_path / "a.txt").read_text() in {word * 1000 for word in "xyz"}
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
