"""Who may look at what: the data that a method declares to look at, evidence without the rest, and what a row of a table did see.

A comparison of methods is fair among those that looked at the same. A method declares the most it ever looks at
(``Method.access``); what it is handed is cut down to that, so that a table can print it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from susx.methods.base import Method
    from susx.methods.evidence import Evidence

__all__ = [
    "ACCESS",
    "MEANING",
    "Access",
    "access_text",
    "permitted",
    "permitted_access",
    "seen_by",
    "sorted_access",
]

Access: TypeAlias = Literal["names", "pool", "shots", "validation", "folder", "stream"]

MEANING: dict[Access, str] = {
    "names": "the class names, as rows of the text encoder",
    "pool": "images that nobody labelled, retrieved or generated for the classes, and statistics of the pool they are from",
    "shots": "images that a person labelled",
    "validation": "labelled images of the target's validation split",
    "folder": "all images to classify at once, without labels",
    "stream": "the images to classify that came before, without labels, in their order",
}
"""What each kind of access lets a method look at, in the order of tables."""

ACCESS: tuple[Access, ...] = tuple(MEANING)

_OF_PROTOCOL: dict[str, frozenset[Access]] = {
    "support": frozenset({"pool", "shots"}),
    "val": frozenset({"validation"}),
}
"""What a tuning protocol looks at beside the method itself."""


def permitted(evidence: Evidence, access: Iterable[Access], tuning: str = "fixed") -> Evidence:
    """Return the evidence without what may not be looked at; the same object where nothing has to go.

    Args:
        evidence: all there is.
        access: what may be looked at.
        tuning: protocol, whose own looks are added: the support under ``support``, validation under ``val``.
    """
    allowed = frozenset(access) | _OF_PROTOCOL.get(tuning, frozenset())
    without: dict[str, Any] = {}
    if "validation" not in allowed and evidence.validation_features is not None:
        without |= dict.fromkeys(
            ("validation_features", "validation_labels", "validation_patches", "validation_adapted")
        )
    if "pool" not in allowed and evidence.pool is not None:
        without["pool"] = None
    left = dataclasses.replace(evidence, **without) if without else evidence
    return _support_of(left, allowed)


def seen_by(
    method: Method[Any] | type[Method[Any]], evidence: Evidence, tuning: str = "fixed"
) -> tuple[Access, ...]:
    """Return what a method looked at when it was tuned by a protocol and fitted on this evidence, in the order of tables.

    >>> import torch
    >>> from susx.methods import Evidence, TipAdapter, ZeroShot
    >>> shots = Evidence(torch.eye(2), 1.0, torch.eye(2), torch.arange(2), support_labelled=torch.ones(2).bool())
    >>> seen_by(ZeroShot(), shots), seen_by(TipAdapter(), shots)
    (('names',), ('names', 'shots'))
    """
    here = {"names", "folder", "stream"}
    if evidence.pool is not None or (evidence.has_support and not _all_labelled(evidence)):
        here.add("pool")
    if evidence.has_labelled:
        here.add("shots")
    if evidence.has_validation:
        here.add("validation")
    return sorted_access(item for item in permitted_access(method, tuning) if item in here)


def permitted_access(method: Method[Any] | type[Method[Any]], tuning: str = "fixed") -> frozenset[Access]:
    """Return the most that a method under a tuning protocol looks at."""
    return method.access | _OF_PROTOCOL.get(tuning if method.axes else "fixed", frozenset())


def sorted_access(access: Iterable[Access]) -> tuple[Access, ...]:
    """Return kinds of access in the order of tables.

    >>> sorted_access({"shots", "names"})
    ('names', 'shots')
    """
    return tuple(sorted(access, key=ACCESS.index))


def access_text(access: Iterable[Access]) -> str:
    """Return what a row saw as tables print it.

    >>> access_text({"shots", "names"})
    'names + shots'
    """
    return " + ".join(sorted_access(access))


def _all_labelled(evidence: Evidence) -> bool:
    marks = evidence.support_labelled
    return marks is not None and bool(marks.all())


def _support_of(evidence: Evidence, allowed: frozenset[Access]) -> Evidence:
    """Return the evidence with the support images that may be looked at: labelled ones with ``shots``, others with ``pool``."""
    import torch

    if not evidence.has_support or evidence.support_labels is None or {"pool", "shots"} <= allowed:
        return evidence
    labelled = evidence.support_labelled
    if labelled is None:
        labelled = torch.zeros(len(evidence.support_labels), dtype=torch.bool)
    keep = labelled if "shots" in allowed else ~labelled if "pool" in allowed else torch.zeros_like(labelled)
    if bool(keep.all()):
        return evidence
    if bool(keep.any()):
        return evidence.support_part(keep)
    return dataclasses.replace(
        evidence, support_features=None, support_labels=None, support_patches=None, support_adapted=None,
        support_labelled=None,
    )  # fmt: skip
