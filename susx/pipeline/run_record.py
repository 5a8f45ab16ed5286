"""What one stage did in a run: for ``run.json``, the report and the terminal."""

from __future__ import annotations

from dataclasses import dataclass, field

from susx.store import Outcome
from susx.types import Json

__all__ = ["StageRecord"]


@dataclass
class StageRecord:
    """What one stage did in this run.

    Attributes:
        stage: its name.
        start: seconds after the run's beginning.
        seconds: how long it took, waiting included.
        outcomes: what came of its jobs, in order.
    """

    stage: str
    start: float
    seconds: float = 0.0
    outcomes: list[Outcome] = field(default_factory=list)

    def count(self, status: str) -> int:
        """Return the number of outcomes of a status."""
        return sum(outcome.status == status for outcome in self.outcomes)

    def account(self) -> Json:
        """Return what the report and ``run.json`` tell of the stage."""
        return {
            "stage": self.stage, "computed": self.count("computed"), "cached": self.count("cached"),
            "seconds": round(self.seconds, 2), "start": round(self.start, 2), "counts": self.counts,
            "rebuilt": [outcome.rebuilt for outcome in self.outcomes if outcome.rebuilt],
        }  # fmt: skip

    @property
    def counts(self) -> dict[str, int]:
        """Return the sums of the integer counts of all outcomes."""
        total: dict[str, int] = {}
        for outcome in self.outcomes:
            for name, value in outcome.counts.items():
                if isinstance(value, int) and not isinstance(value, bool):
                    total[name] = total.get(name, 0) + value
        return total
