"""Assignment: one image is never support for two classes, whatever the order."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from susx.images.retrieve import Candidate, assign, read_candidates, write_candidates


def candidate(name, item, similarity, query="q"):
    return Candidate(name, query, query, str(item), similarity)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.sampled_from([0.1, 0.2, 0.3])), max_size=40
    ),
    st.randoms(use_true_random=False),
)
def test_every_image_belongs_to_its_best_class_in_any_order(hits, shuffler):
    """Kept images are disjoint, belong to a best class, and do not depend on the order of anything."""
    found = {name: [candidate(n, i, s) for n, i, s in hits if n == name] for name in "abc"}
    result = assign(found)
    kept = [c for own in result.kept.values() for c in own]
    assert len({c.item for c in kept}) == len(kept) == len({str(i) for _, i, _ in hits})
    for own in kept:
        assert own.similarity == max(s for _, i, s in hits if str(i) == own.item)
    total = sum(len(v) for v in result.kept.values()) + sum(len(v) for v in result.lost.values())
    assert total + sum(result.repeated.values()) == len(hits)
    names = list("abc")
    shuffler.shuffle(names)
    again = {name: shuffler.sample(found[name], len(found[name])) for name in names}
    assert assign(again) == result


def test_candidates_survive_their_file(tmp_path):
    """Bytes, missing columns and text survive the codec."""
    rows = [
        candidate("a", 1, 0.5),
        Candidate("b", "p", "q", "2", 0.25, "http://x", None, b"\x00\xff", "c", "cc0", "0.1", "s"),
    ]
    write_candidates(tmp_path / "c.parquet", rows)
    assert read_candidates(tmp_path / "c.parquet") == rows
    light = read_candidates(tmp_path / "c.parquet", images=False)
    assert light == [dataclasses.replace(row, image=None) for row in rows]
