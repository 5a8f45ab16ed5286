"""Foreign text: nothing that a terminal obeys, a spreadsheet computes or UTF-8 cannot hold leaves the program as it came."""

from __future__ import annotations

import csv
import io
import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from susx.printable import for_cell, for_json, for_terminal

ANY = st.text(st.characters(blacklist_categories=()))


@given(ANY)
@example("\x1b]0;title\x07\x9b31m\u202eevil\ud800\x7f")
def test_nothing_is_left_for_a_terminal_to_obey(text):
    """No control but tab and line end, no bidirectional override; what is left can be encoded."""
    shown = for_terminal(text)
    shown.encode()
    assert {unicodedata.category(c) for c in shown if c not in "\t\n"}.isdisjoint({"Cc", "Cs"})
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@given(ANY)
@example("\x9b31m\ud83d\u2028")
def test_json_means_the_same(text):
    """The value survives, the characters do not appear."""
    line = for_json(json.dumps(text, ensure_ascii=False))
    line.encode()
    assert json.loads(line) == text
    assert for_terminal(line) == line


@pytest.mark.parametrize(
    "cell", ["=1+1", "@SUM(A1)", "+1+cmd|' /C calc'!A0", "-2+3", "\t=1", " =1", "=cmd.png"]
)
def test_a_formula_is_a_text(cell):
    """A spreadsheet shows it instead of computing it."""
    assert for_cell(cell).lstrip("\t ").startswith("'")


@pytest.mark.parametrize(
    "cell", ["photo.jpg", "+1.5", "-0.3 to +2.1", "-1.2, 3.4", "-", 3, -1.5, None, "", "a=b", "[51.2, 60.0]"]
)
def test_other_cells_are_left_alone(cell):
    """Numbers and their intervals are numbers."""
    assert for_cell(cell) == cell


@given(st.lists(ANY.map(lambda t: t.replace("\r", "").replace("\n", "")), min_size=1))
def test_a_row_of_hostile_cells_is_one_row(cells):
    """Whatever the cells hold, a reader gets as many."""
    file = io.StringIO()
    csv.writer(file).writerow([for_cell(cell) for cell in cells])
    (row,) = csv.reader(io.StringIO(file.getvalue()))
    assert len(row) == len(cells)
