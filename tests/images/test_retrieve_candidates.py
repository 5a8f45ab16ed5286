"""Candidates: each image once a class, and their file."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from susx.images.retrieve import Candidate, read_candidates, unique_candidates, write_candidates


def candidate(name, item, similarity, query="q"):
    return Candidate(name, query, query, str(item), similarity)


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from([0.1, 0.2, 0.3]), st.sampled_from("pq")), max_size=40
    ),
    st.randoms(use_true_random=False),
)
def test_every_image_comes_once_with_its_best_sentence_in_any_order(hits, shuffler):
    """Best first, each item once at its highest similarity, whatever the order of the queries' results."""
    found = [candidate("a", *hit) for hit in hits]
    unique = unique_candidates(found)
    assert {c.item for c in unique} == {c.item for c in found}
    assert len(unique) == len({c.item for c in unique})
    assert all(c.similarity == max(o.similarity for o in found if o.item == c.item) for c in unique)
    assert [c.similarity for c in unique] == sorted((c.similarity for c in unique), reverse=True)
    assert unique_candidates(shuffler.sample(found, len(found))) == unique


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
