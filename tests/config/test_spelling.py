"""Names in texts, against a plain reading of what they mean."""

import re

from hypothesis import given
from hypothesis import strategies as st

from susx.config.spelling import NameFinder

WORDS = st.sampled_from(["dot", "dots", "polka", "box", "boxes", "es", "s", "Fox"])
TEXTS = st.lists(WORDS, max_size=6).map(" ".join)


def holds(text: str, name: str) -> bool:
    """Whether the words of a name stand in a text, the last one perhaps with an s or es."""
    return re.search(rf"(?<![a-z]){name.lower()}(s|es)?(?![a-z])", text.lower()) is not None


@given(TEXTS, st.lists(TEXTS.filter(bool), max_size=4))
def test_names_are_found_as_a_reader_finds_them(text, names):
    """The finder agrees with a regular expression per name."""
    assert NameFinder(names).names_in(text) == {name for name in names if holds(text, name)}
