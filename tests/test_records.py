"""Tables of rows hold any text that a web page, a model or a file name can bring."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from susx.images.support import read_support
from susx.images.support.support_table import write_support
from susx.pipeline.images import read_image_rows, write_image_rows
from susx.pipeline.stage import Stage, execute
from susx.records import SupportRow, decode_rows, encode_rows
from susx.store import ArtefactStore, Job

SEPARATORS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
BIDI = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c"
CONTROLS = "".join(chr(c) for c in (*range(0x20), *range(0x7F, 0xA0)))
HOSTILE = st.text(
    st.sampled_from(SEPARATORS + BIDI + CONTROLS + "\ufeff\ufffe\U0010ffff\"\\'{}[],=") | st.characters(),
    max_size=40,
)


def row(text: str) -> SupportRow:
    return SupportRow(
        text or "x", "", "", "retrieved", text, url=text, caption=text, licence=text, nsfw=text, detail=text
    )


def encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


@given(st.lists(HOSTILE | st.text(st.characters(categories=["Cs", "Ll"]), max_size=4), max_size=4))
@example([SEPARATORS, BIDI, CONTROLS])
@example(["\ud800 half a character"])
@example(["\ud800" + "\udc00"])
def test_rows_are_read_as_they_were_written(texts: list[str]) -> None:
    """Every row comes back, whatever is in it, and none becomes two."""
    # Two halves of a character side by side are that character, in JSON as in UTF-16.
    rows = [row(text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")) for text in texts]
    data = encode_rows(rows)
    assert decode_rows(data) == rows
    assert data.count(b"\n") == len(rows)
    assert len(data.decode().splitlines()) == len(rows)


@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_rows_with_raw_separators_are_read(ensure_ascii: bool) -> None:
    """A table in which another program left U+2028 as it is has as many rows as it has lines."""
    line = json.dumps({**vars(row("a")), "caption": "b\u2028c\x85d"}, ensure_ascii=ensure_ascii)
    assert [r.caption for r in decode_rows((line + "\n").encode() * 2)] == ["b\u2028c\x85d"] * 2


@pytest.mark.parametrize(
    "wrong", [{"width": "wide"}, {"class_name": None}, {"other": 1}, {"origin": "stolen"}]
)
def test_other_rows_are_refused(wrong: dict) -> None:
    with pytest.raises((ValueError, TypeError)):
        decode_rows(json.dumps({**vars(row("a")), **wrong}).encode() + b"\n")


@settings(max_examples=50, deadline=None)
@given(
    st.lists(HOSTILE | st.text(st.characters(categories=["Cs", "Ll"]), max_size=4), min_size=1, max_size=3)
)
@example([SEPARATORS, BIDI, CONTROLS])
@example(["\ud800 half a character"])
def test_support_table_keeps_any_text(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """The table of a run gives back what went in; half a character, which UTF-8 cannot hold, becomes a question mark."""
    path = tmp_path_factory.mktemp("table") / "support.parquet"
    write_support(path, [row(text) for text in texts])
    assert [r.caption for r in read_support(path)] == [encodable(text) for text in texts]


def test_a_long_hostile_caption_through_a_stage(tmp_path) -> None:
    """Captions of 1 MB, with every separator and control there is, go through the store and stay one row each."""
    everything = "".join(
        chr(c) for c in range(0x11000) if unicodedata.category(chr(c)) in {"Cc", "Cf", "Zl", "Zp", "Zs"}
    )
    rows = [row((everything * (1 + (1 << 20) // len(everything)))[: 1 << 20]), row("after")]

    def work(job, store, out):
        write_image_rows(out, rows)
        return {}

    store = ArtefactStore(tmp_path)
    ref = execute(Stage("fetch", 1, work, "Fetch"), Job("fetch", 1, "d", "c"), store).ref
    assert read_image_rows(store, ref) == rows
