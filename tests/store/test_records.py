"""Records of any flat dataclass survive their table; a table of others is refused by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from susx.errors import InputError
from susx.store.record_tables import read_rows, write_rows


@dataclass(frozen=True)
class Record:
    """One of each kind of column."""

    name: str
    kind: Literal["a", "b"]
    count: int | None = None
    share: float | None = None
    sure: bool = False
    data: bytes | None = None


RECORDS = [Record("x", "a", 2**62, float("inf"), True, b"\x00\xff"), Record("y\u2028z", "b")]


def test_records_survive_and_equal_records_give_equal_bytes(tmp_path):
    for name in ("one", "two"):
        write_rows(tmp_path / name, Record, RECORDS)
    assert read_rows(tmp_path / "one", Record, "a table") == RECORDS
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    write_rows(tmp_path / "none", Record, [])
    assert read_rows(tmp_path / "none", Record, "a table") == []


def test_a_column_may_stay_on_the_disk_or_be_younger_than_the_file(tmp_path):
    write_rows(tmp_path / "t", Record, RECORDS)
    assert [row.data for row in read_rows(tmp_path / "t", Record, "a table", without=("data",))] == [
        None,
        None,
    ]
    pq.write_table(pa.table({"name": ["x"], "kind": ["a"]}), tmp_path / "old")
    assert read_rows(tmp_path / "old", Record, "a table") == [Record("x", "a")]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"name": ["x"]}, "lacks the columns kind"),
        ({"name": ["x"], "kind": ["c"]}, "row 0, kind: .*found 'c'"),
        ({"name": ["x", "y"], "kind": ["a", None]}, "row 1, kind"),
        ({"name": [3], "kind": ["a"]}, "row 0, name"),
        ({"name": ["x"], "kind": ["a"], "count": ["many"]}, "row 0, count"),
    ],
)
def test_other_records_are_refused_by_row_and_column(tmp_path, table, said):
    pq.write_table(pa.table(table), tmp_path / "t")
    with pytest.raises(InputError, match=f"{said}.*[Gg]ive a table"):
        read_rows(tmp_path / "t", Record, "a table")


def test_what_is_no_table_is_refused(tmp_path):
    with pytest.raises(InputError, match="There is no"):
        read_rows(tmp_path / "gone", Record, "a table")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(InputError, match="not a parquet file"):
        read_rows(tmp_path / "text", Record, "a table")
