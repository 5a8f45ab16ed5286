"""From the images that no rule rejected to the support set: the best of every source and sentence in turn, then balance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from susx.records import SupportRow

__all__ = ["select"]


def select(
    rows: Sequence[SupportRow],
    scores: Sequence[float],
    per_class: int,
    balance: Literal["none", "truncate"],
    classes: Sequence[str] = (),
) -> list[SupportRow]:
    """Keep at most ``per_class`` images of every class; the others are rejected as ``surplus`` or ``unbalanced``.

    Images that a person provided come first and are never surplus. A class's other sources (drawn, retrieved) take turns, and within a source its sentences, each giving its best remaining
    image. So the budget stays split over them, whatever the scores of one source are beside the other's, and what one
    lost to other rules is made up for by the others.

    Args:
        rows: all rows; the rejected ones pass through.
        scores: one a row; higher is better.
        per_class: most images of one class.
        balance: ``truncate`` lets no class keep more than the poorest of ``classes`` (or of the rows') has.
        classes: classes that count for the balance even when nothing was found for them.
    """
    ranked = _ranked(rows, scores)
    quota = per_class
    if balance == "truncate" and ranked:
        quota = min(per_class, *(len(ranked.get(name, [])) for name in {*ranked, *classes}))
    result = list(rows)
    for name, places in ranked.items():
        for rank, place in enumerate(places):
            if rows[place].origin == "provided" and (balance == "none" or rank < quota):
                continue
            if rank >= per_class:
                result[place] = rows[place].reject("surplus", f"{per_class} images of '{name}' came first.")
            elif rank >= quota:
                result[place] = rows[place].reject("unbalanced", f"The poorest class has {quota} images.")
    return result


def _ranked(rows: Sequence[SupportRow], scores: Sequence[float]) -> Mapping[str, list[int]]:
    groups: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        if row.kept:
            groups[row.class_name, row.origin, row.prompt].append(place)
    turns: dict[tuple[str, str], list[tuple[int, float, str, str, int]]] = defaultdict(list)
    for (name, origin, prompt), places in groups.items():
        places.sort(key=lambda place: (-scores[place], rows[place].digest, rows[place].file))
        for turn, place in enumerate(places):
            turns[name, origin].append((turn, -scores[place], rows[place].digest, prompt, place))
    ranked: dict[str, list[tuple[int, str, int]]] = defaultdict(list)
    for (name, origin), entries in turns.items():
        ranked[name] += [(turn, origin, entry[-1]) for turn, entry in enumerate(sorted(entries))]
    return {
        name: [place for _, _, place in sorted(entries, key=lambda e: (rows[e[2]].origin != "provided", *e))]
        for name, entries in ranked.items()
    }
