"""One trial carried out: hyper-parameters chosen, state fitted, the reference kept beside it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.experiment.trials import Trial
from susx.methods.access import permitted
from susx.methods.base import Need, Run

if TYPE_CHECKING:
    from susx.methods.evidence import Evidence
    from susx.methods.state import Fitted
    from susx.tuning import TuningResult

__all__ = ["FittedTrial", "fit_trial", "shown_to"]


@dataclass(frozen=True)
class FittedTrial:
    """A fitted method and how its hyper-parameters were chosen."""

    fitted: Fitted
    choice: TuningResult


def fit_trial(
    trial: Trial,
    evidence: Evidence,
    *,
    dataset: str | None = None,
    shrinkage: float = 0.0,
    run: Run = Run(),
) -> FittedTrial:
    """Tune and fit a method on what it may look at.

    Validation rows are shown to the protocol ``val`` alone; under ``fixed`` and ``support`` not even the fit sees them. Where
    they judge, the pool's word on the support is not asked of methods that can do without it: ``val`` is what is published.

    Raises:
        InputError: the method or protocol needs what the evidence does not hold.
    """
    from susx.methods.state import Fitted
    from susx.tuning import tune

    evidence = shown_to(trial, evidence)
    method, choice = tune(trial.method, evidence, trial.tuning, dataset=dataset, shrinkage=shrinkage, run=run)
    return FittedTrial(Fitted.of(method, evidence, run), choice)


def shown_to(trial: Trial, evidence: Evidence) -> Evidence:
    """Return what a trial is shown of the evidence: what its method declares to look at, and what its protocol does."""
    access = trial.method.access - ({"validation"} if trial.tuning != "val" else set())
    evidence = permitted(evidence, access, trial.tuning)
    if trial.tuning == "val" and Need.POOL not in trial.method.needs:
        evidence = dataclasses.replace(evidence, pool=None)
    return evidence
