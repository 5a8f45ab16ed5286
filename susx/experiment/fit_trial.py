"""One trial carried out: hyper-parameters chosen, state fitted, the reference kept beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from susx.activity import doing
from susx.experiment.trials import Trial
from susx.methods.access import permitted
from susx.methods.base import Need, Run, parameters
from susx.methods.packaged import Packaged, packaged

if TYPE_CHECKING:
    from susx.methods.evidence import Evidence
    from susx.methods.state import Fitted
    from susx.tuning import TuningResult

__all__ = ["FitRecord", "FittedTrial", "fit_trial", "shown_to"]


@dataclass(frozen=True)
class FitRecord:
    """What is told of a fit: its method and protocol, the hyper-parameters chosen and how, and what is left of it beyond the prompts.

    Attributes:
        method, title: its name, and the name that papers write.
        tuning: the protocol, "" where there is nothing to choose.
        hyper_parameters: name -> value.
        uses_support: whether the method looks at support images.
        packaged: what is said of it where it is packaged.
        search: see ``TuningResult``.
    """

    method: str
    title: str
    tuning: str
    hyper_parameters: Mapping[str, Any]
    uses_support: bool
    packaged: Packaged
    search: Mapping[str, Any]


@dataclass(frozen=True)
class FittedTrial:
    """A fitted method and how its hyper-parameters were chosen."""

    fitted: Fitted
    choice: TuningResult

    def record(self, tuning: str) -> FitRecord:
        """Return what is told of the fit under a protocol."""
        method = self.fitted.method
        return FitRecord(
            method.name, method.title, tuning if method.axes else "", parameters(method), Need.SUPPORT in method.needs,
            packaged(method, self.fitted.state, tuning), dataclasses.asdict(self.choice),
        )  # fmt: skip


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
    with doing(f"fit {trial.method.name}/{trial.tuning}"):
        method, choice = tune(
            trial.method, evidence, trial.tuning, dataset=dataset, shrinkage=shrinkage, run=run
        )
        return FittedTrial(Fitted.of(method, evidence, run), choice)


def shown_to(trial: Trial, evidence: Evidence) -> Evidence:
    """Return what a trial is shown of the evidence: what its method declares to look at, and what its protocol does."""
    access = trial.method.access - ({"validation"} if trial.tuning != "val" else set())
    evidence = permitted(evidence, access, trial.tuning)
    if trial.tuning == "val" and Need.POOL not in trial.method.needs:
        evidence = dataclasses.replace(evidence, pool=None)
    return evidence
