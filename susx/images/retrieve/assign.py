"""One image, one class: the global assignment of candidates.

An image found for several classes stays with the class it is most similar to; within a class it stays with its best
sentence. The result does not depend on the order of classes or candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from susx.images.retrieve.candidates import Candidate

__all__ = ["Assignment", "assign"]


@dataclass(frozen=True)
class Assignment:
    """Candidates after assignment.

    Attributes:
        kept: class -> its candidates, best first.
        lost: class -> candidates that another class kept, with that class.
        repeated: class -> number of results that repeated an image of the same class.
    """

    kept: Mapping[str, tuple[Candidate, ...]]
    lost: Mapping[str, tuple[tuple[Candidate, str], ...]]
    repeated: Mapping[str, int]


def assign(found: Mapping[str, Iterable[Candidate]]) -> Assignment:
    """Give every image to exactly one class.

    Args:
        found: class -> candidates of all its queries; a class without any is legal.
    """
    best: dict[str, Candidate] = {}
    per_class: dict[str, dict[str, Candidate]] = {}
    repeated: dict[str, int] = {}
    for class_name, candidates in found.items():
        own: dict[str, Candidate] = {}
        count = 0
        for candidate in candidates:
            count += 1
            if candidate.item not in own or _rank(candidate) < _rank(own[candidate.item]):
                own[candidate.item] = candidate
        repeated[class_name] = count - len(own)
        per_class[class_name] = own
        for item, candidate in own.items():
            if item not in best or _rank(candidate) < _rank(best[item]):
                best[item] = candidate
    kept: dict[str, tuple[Candidate, ...]] = {}
    lost: dict[str, tuple[tuple[Candidate, str], ...]] = {}
    for class_name, own in per_class.items():
        ordered: Sequence[Candidate] = sorted(own.values(), key=_rank)
        kept[class_name] = tuple(c for c in ordered if best[c.item].class_name == class_name)
        lost[class_name] = tuple(
            (c, best[c.item].class_name) for c in ordered if best[c.item].class_name != class_name
        )
    return Assignment(kept, lost, repeated)


def _rank(candidate: Candidate) -> tuple[float, str, str, str]:
    # Ties go to the class whose name sorts first: arbitrary, but the same on every run.
    return (-candidate.similarity, candidate.class_name, candidate.item, candidate.query)
