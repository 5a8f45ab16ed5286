"""What tuning chose, on what, and how well that did there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from susx.methods.base import Method
    from susx.search import Optimum

__all__ = ["PROTOCOLS", "Protocol", "TuningResult"]

Protocol: TypeAlias = Literal["fixed", "support", "val"]
PROTOCOLS: tuple[Protocol, ...] = ("fixed", "support", "val")


@dataclass(frozen=True)
class TuningResult:
    """How hyper-parameters were chosen.

    Attributes:
        method: name of the method.
        protocol: ``fixed``, ``support`` or ``val``.
        hyper_parameters: the values chosen, by name.
        correct, total: rows classified correctly by the best point of the search, and rows looked at; these
            are tuning rows, so the share is no estimate of accuracy. None where nothing was searched.
        searched: points of the grid.
        note: one sentence where something else happened than asked for, or "".
    """

    method: str
    protocol: Protocol
    hyper_parameters: dict[str, float] = field(default_factory=dict)
    correct: int | None = None
    total: int | None = None
    searched: int = 0
    note: str = ""

    @classmethod
    def of(cls, chosen: Method[Any], protocol: Protocol, best: Optimum) -> TuningResult:
        """Return the account of a search."""
        return cls(chosen.name, protocol, chosen.values(), best.correct, best.total, best.counts.size)
