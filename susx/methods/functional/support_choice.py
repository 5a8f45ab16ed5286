"""Which candidate images support which class: one rule for builds, measurements and the Python interface.

Each class brings its candidates, the ``depth`` x ``per_class`` images of highest cosine with its prompt: all that an
index or a service can be asked for. Of those the ``per_class`` of highest ``selection_scores`` are kept. An image may
support every class that it is a candidate of; near-duplicates within a class count once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from susx.config import OVER_FETCH
from susx.methods.functional.pool_selection import selection_scores

__all__ = [
    "DUPLICATE_COSINE",
    "KEPT",
    "SupportChoice",
    "candidate_rows",
    "choose_support",
    "nearly_equal",
    "wanted",
]

DUPLICATE_COSINE = 0.985
"""Images at least this similar are the same picture where nothing but features is known."""

KEPT, DUPLICATE, SURPLUS = "", "duplicate", "surplus"

_BLOCK_NUMBERS = 4_000_000

Alike = Callable[[Int64[Tensor, " one"], Int64[Tensor, " other"]], Bool[Tensor, "one other"]]
"""From positions of candidates to which pairs are near-duplicates."""


@dataclass(frozen=True)
class SupportChoice:
    """What became of every candidate.

    Attributes:
        kept: positions of the chosen candidates, by class and then best first.
        reasons: one a candidate: ``KEPT``, ``"duplicate"``, ``"surplus"``, or the reason it came with.
        twins: position of the better candidate that a duplicate repeats, else -1.
        scores: ``selection_scores`` of each candidate for its class.
    """

    kept: Int64[Tensor, " kept"]
    reasons: tuple[str, ...]
    twins: Int64[Tensor, " candidates"]
    scores: Float64[Tensor, " candidates"]


def choose_support(
    text: Float[Tensor, "classes dim"],
    logit_scale: float,
    rows: Float[Tensor, "candidates dim"],
    labels: Int64[Tensor, " candidates"],
    per_class: int,
    *,
    refused: Sequence[str] | None = None,
    provided: Bool[Tensor, " candidates"] | None = None,
    sources: Int64[Tensor, " candidates"] | None = None,
    alike: Alike | None = None,
) -> SupportChoice:
    """Return which candidates are the support set.

    Args:
        text: unit rows of the class prompts.
        logit_scale: of the cosines.
        rows: unit rows of the candidates; an image that several classes found stands here once for each. The row of a
            refused candidate is not looked at.
        labels: the class that each was found for.
        per_class: most images of one class.
        refused: why a candidate was refused before (unsafe, contaminated ...); empty where it was not.
        provided: images that a person gave: they come first and are never surplus.
        sources: of a class's several sources (drawn, retrieved) each gives its best remaining image in turn.
        alike: near-duplicates; by default those of a cosine from ``DUPLICATE_COSINE``.

    Equal scores are taken in the order of the candidates.

    >>> text = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> rows = torch.tensor([[0.6, 0.8], [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    >>> choice = choose_support(text, 10.0, rows, torch.tensor([0, 0, 1, 1]), 1)
    >>> choice.kept.tolist(), choice.reasons
    ([1, 2], ('surplus', '', '', 'surplus'))
    """
    reasons = list(refused) if refused is not None else [KEPT] * len(rows)
    first = [False] * len(rows) if provided is None else provided.tolist()
    source = [0] * len(rows) if sources is None else sources.tolist()
    near = alike or nearly_equal(rows)
    scores = _scores(text, logit_scale, rows, labels)
    members: list[list[int]] = [[] for _ in range(len(text))]
    for at, label in enumerate(labels.tolist()):
        if reasons[at] == KEPT:
            members[label].append(at)
    ranking, kept = scores.tolist(), list[int]()
    twins = [-1] * len(rows)
    for candidates in members:
        candidates.sort(key=lambda at: (not first[at], -ranking[at]))
        unique = []
        for at, better in zip(candidates, _better_twins(candidates, near), strict=True):
            if better < 0:
                unique.append(at)
            else:
                twins[at], reasons[at] = better, DUPLICATE
        for turn, at in enumerate(_in_turns(unique, first, source)):
            if turn < per_class or first[at]:
                kept.append(at)
            else:
                reasons[at] = SURPLUS
    return SupportChoice(
        torch.tensor(kept, dtype=torch.int64), tuple(reasons), torch.tensor(twins, dtype=torch.int64), scores
    )


def candidate_rows(
    similarities: Float[Tensor, "rows classes"], per_class: int, depth: float = OVER_FETCH
) -> tuple[Int64[Tensor, " candidates"], Int64[Tensor, " candidates"]]:
    """Return the pool rows that are candidates, and the class each is one of: by class, nearest first.

    >>> [t.tolist() for t in candidate_rows(torch.tensor([[1.0, 5.0], [3.0, 4.0], [2.0, 0.0]]), 1, 2.0)]
    [[1, 2, 0, 1], [0, 0, 1, 1]]
    """
    nearest = _largest(similarities, wanted(per_class, depth))
    classes = torch.arange(similarities.shape[1])
    return nearest.T.reshape(-1), classes.repeat_interleave(len(nearest))


def _largest(values: Tensor, count: int) -> Tensor:
    """Return the rows of the largest values of each column, largest first, equal ones in the order of the rows.

    Without sorting the whole pool, unless a value at the edge is another row's too: which of those is taken is not said there.
    """
    if count >= len(values):
        return values.sort(dim=0, descending=True, stable=True).indices
    more = values.topk(count + 1, dim=0, sorted=True)
    if not bool((more.values[count - 1] > more.values[count]).all()):
        return values.sort(dim=0, descending=True, stable=True).indices[:count]
    rows = more.indices[:count].sort(dim=0).values
    return rows.gather(0, values.gather(0, rows).sort(dim=0, descending=True, stable=True).indices)


def wanted(per_class: int, depth: float = OVER_FETCH) -> int:
    """Return how many candidates a class is given.

    >>> wanted(16), wanted(3, 1.5)
    (48, 5)
    """
    return max(per_class, math.ceil(per_class * depth))


def nearly_equal(rows: Float[Tensor, "candidates dim"], cosine: float = DUPLICATE_COSINE) -> Alike:
    """Return the rule of near-duplicates by features alone."""

    def near(one: Tensor, other: Tensor) -> Tensor:
        return rows[one] @ rows[other].T >= cosine

    return near


def _scores(text: Tensor, logit_scale: float, rows: Tensor, labels: Tensor) -> Tensor:
    """Return the selection score of each row for its class, in float64 so that every caller ranks alike."""
    prompts, parts = text.double(), [torch.zeros(0, dtype=torch.float64)]
    step = max(1, _BLOCK_NUMBERS // len(text))
    for start in range(0, len(rows), step):
        z = logit_scale * (rows[start : start + step].double() @ prompts.T)
        parts.append(selection_scores(z).gather(1, labels[start : start + step, None])[:, 0])
    return torch.cat(parts)


def _better_twins(candidates: list[int], near: Alike) -> list[int]:
    """Return, for each of a class's candidates, best first, the better one that it repeats, or -1."""
    if not candidates:
        return []
    at = torch.tensor(candidates)
    pairs = near(at, at).numpy()
    twins = [-1] * len(candidates)
    if not pairs[~np.eye(len(pairs), dtype=bool)].any():
        return twins
    unique: list[int] = []
    for row in range(len(candidates)):
        same = [better for better in unique if pairs[better, row]]
        if same:
            twins[row] = candidates[same[0]]
        else:
            unique.append(row)
    return twins


def _in_turns(candidates: list[int], first: list[bool], source: list[int]) -> list[int]:
    """Return the candidates with those of a person first, then each source's best in turn."""
    taken: dict[int, int] = {}
    ranked = []
    for number, at in enumerate(candidates):
        turn = 0
        if not first[at]:
            turn = taken.get(source[at], 0)
            taken[source[at]] = turn + 1
        ranked.append((not first[at], turn, number, at))
    return [at for *_, at in sorted(ranked)]
