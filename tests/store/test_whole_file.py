"""A file that a writer makes by its path appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

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
