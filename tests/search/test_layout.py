"""The storage order of support rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from susx.search.layout import Layout


@given(st.integers(1, 6), st.lists(st.integers(0, 5), max_size=30))
def test_slots_hold_every_row_once_under_its_class(extra, drawn):
    """Whatever the labels, each slot holds one row of each of the first classes of the order."""
    labels = np.array(drawn, dtype=np.int64)
    layout = Layout.of(labels, 5 + extra)
    assert sorted(layout.rows) == list(range(len(labels)))
    assert sorted(layout.classes) == list(range(5 + extra))
    assert (np.diff(layout.widths) <= 0).all()
    assert layout.widths.sum() == len(labels)
    expected = [c for width in layout.widths for c in layout.classes[:width]]
    assert labels[layout.rows].tolist() == expected
