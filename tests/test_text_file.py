"""Text files as people's systems write them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.errors import ConfigError, InputError
from susx.text_file import csv_reader, decode_text, listed_path, paths_of_lines, read_lines, read_text

_WORDS = (
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1)
    .map(str.strip)
    .filter(bool)
)


@given(
    st.lists(_WORDS.filter(lambda word: "\ufeff" not in word), min_size=1),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.booleans(),
)
def test_lines_are_the_same_whatever_system_wrote_them(
    words: list[str], end: str, encoding: str, closed: bool
) -> None:
    data = (end.join(words) + end * closed).encode(encoding)
    assert decode_text(data, "names").strip("\n").split("\n") == words


@given(_WORDS.filter(lambda word: any(ord(c) >= 0x80 for c in word)))
def test_an_8_bit_encoding_is_refused_in_one_sentence(word: str) -> None:
    data = b"first\r\n" + word.encode("cp1252", "ignore") + b"\xe9\n"
    with pytest.raises(ConfigError, match=r"names, line 2: byte 0x.* Save the file as UTF-8"):
        decode_text(data, "names")


def test_utf16_without_a_mark_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("cat\ndog\n".encode("utf-16-le"))
    with pytest.raises(InputError, match=r"a\.txt, line 1: a zero byte"):
        read_text(tmp_path / "a.txt", InputError)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read .* expected a text file"):
        read_lines(tmp_path / "gone.txt")


def test_a_table_may_have_line_ends_in_its_cells(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbfpath,caption\r\na.jpg,"two\r\nlines"\r\n')
    assert list(csv_reader(tmp_path / "a.csv")) == [{"path": "a.jpg", "caption": "two\nlines"}]


def test_backslashes_are_folders_unless_a_file_has_one_in_its_name(tmp_path: Path) -> None:
    assert listed_path(tmp_path, "cat\\0.jpg") == tmp_path / "cat" / "0.jpg"
    (tmp_path / "a\\b.jpg").write_bytes(b"x")
    assert listed_path(tmp_path, "a\\b.jpg") == tmp_path / "a\\b.jpg"


def test_paths_of_a_stream_lose_their_line_ends_alone() -> None:
    assert list(
        paths_of_lines(iter([b"\xef\xbb\xbfcat/0.jpg\r\n", b"\n", b" dog/\xe9 0.jpg\n", b"last"]))
    ) == [
        b"cat/0.jpg",
        b" dog/\xe9 0.jpg",
        b"last",
    ]


def test_paths_of_a_stream_as_powershell_writes_it() -> None:
    data = "cat/0.jpg\r\n\r\ndog/\u732b.jpg\r\n".encode("utf-16")
    assert list(paths_of_lines(iter(io.BytesIO(data)))) == [b"cat/0.jpg", "dog/\u732b.jpg".encode()]


def test_marks_between_lines_and_blanks_without_a_width_are_no_part_of_a_name(tmp_path: Path) -> None:
    """Marked files put one after the other, names copied from a page."""
    (tmp_path / "a.txt").write_text(
        "\ufeffcat\n\ufeffdog\n\u200bwolf \u200b\n\u00a0fox\u00a0\n", encoding="utf-8"
    )
    assert read_lines(tmp_path / "a.txt") == ["cat", "dog", "wolf", "fox"]


@pytest.mark.parametrize(
    "written",
    ["path,class\na b,cat\n", "path;class\r\na b;cat\r\n", "path\tclass\na b\tcat\n", "sep=;\r\npath;class\r\na b;cat\r\n", "SEP=|\npath|class\na b|cat\n"],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_as_excel_writes_them(tmp_path: Path, written: str, encoding: str) -> None:
    """With semicolons where the comma is the decimal sign, with tabs, with the line that names the mark."""
    (tmp_path / "a.csv").write_bytes(written.encode(encoding))
    assert list(csv_reader(tmp_path / "a.csv")) == [{"path": "a b", "class": "cat"}]


def test_a_mark_that_is_given_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("path, or file\tclass\na\tcat\n")
    assert list(csv_reader(tmp_path / "a.csv", "\t")) == [{"path, or file": "a", "class": "cat"}]
