"""Random descriptors that mean nothing (WaffleCLIP, Roth et al., ICCV 2023): what is left is prompt averaging."""

from __future__ import annotations

import functools
import random
import re

from susx.seeds import derive_seed

__all__ = ["random_descriptors"]

_PAIRS = 15
"""Pairs of a word and a character descriptor; the paper uses 15."""

_WORDS = re.findall(
    r"\w+",
    """
    able above after again air also answer any away back began below best better body book both box
    call change close cold come common course cross day deep different does done down early earth
    even every fact far fast feel few final first five follow form four free full game gave general
    give good great ground group grow half hand hard head hear help high hold hot hour idea inch
    interest keep kind know large last late laugh learn leave left less letter life light line list
    live long look low main many mark mean measure mind minute money more morning most move name
    near need never new next night north note nothing notice number object often open order other
    own page part pass past pattern person piece plain plan point power press problem question quick
    reach read ready real record rest right rule same second seem self serve several shape short
    side simple size slow small soon sound special stand start state still story strong such sure
    system table tell ten thing think third time toward true turn under unit until usual voice vowel
    walk want warm watch week weight while whole wide wonder word work world year yes young
    """,
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@functools.lru_cache(maxsize=16)
def random_descriptors(seed: int) -> tuple[str, ...]:
    """Return 15 descriptors of two random words and 15 of random letters, the same for every class.

    They must be shared: noise of its own would move each class's prompt by another random amount.

    >>> len(random_descriptors(0)), random_descriptors(0) == random_descriptors(0)
    (30, True)
    """
    descriptors: list[str] = []
    for index in range(_PAIRS):
        draw = random.Random(derive_seed(seed, "waffle", index))
        descriptors.append(" ".join(draw.choice(_WORDS) for _ in range(2)))
        descriptors.append(" ".join("".join(draw.choices(_LETTERS, k=draw.randint(3, 8))) for _ in range(2)))
    return tuple(descriptors)
