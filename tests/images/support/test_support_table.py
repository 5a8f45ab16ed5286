"""The support table survives its file and counts its reasons."""

import pytest

from susx.errors import InputError
from susx.images.support import count_reasons, read_support, write_support
from susx.records import SupportRow

ROWS = [
    SupportRow(
        "a/b", "images/1.jpg", "0" * 64, "retrieved", "a photo", seed=2**62, url="http://x/1", similarity=0.25
    ),
    SupportRow("cat", "", "", "retrieved", "a photo").reject("dead-link", "HTTP Error 404"),
]


def test_rows_survive_and_equal_rows_give_equal_bytes(tmp_path):
    """Writing and reading is the identity, and writing twice gives the same file."""
    write_support(tmp_path / "one.parquet", ROWS)
    write_support(tmp_path / "two.parquet", read_support(tmp_path / "one.parquet"))
    assert read_support(tmp_path / "two.parquet") == ROWS
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_counts_name_every_class_and_reason():
    """Classes without rows are counted too."""
    assert count_reasons(ROWS, ["dog"]) == {
        "dog": {"kept": 0},
        "a/b": {"kept": 1},
        "cat": {"kept": 0, "dead-link": 1},
    }


def test_other_files_are_refused(tmp_path):
    """A missing file, a text file and a foreign table are named in the error."""
    with pytest.raises(InputError, match=r"There is no .*; give the support.parquet of a run"):
        read_support(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(InputError, match="not a parquet file"):
        read_support(tmp_path / "text.parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match="lacks the columns"):
        read_support(tmp_path / "other.parquet")
