"""One entry to the three tuning protocols. Test labels have no way in: the evidence has no slot for them."""

from __future__ import annotations

from typing import Any

from susx.errors import ConfigError, did_you_mean
from susx.methods import METHODS, Evidence
from susx.search import Grid
from susx.tuning.fixed import SEARCHED, tune_fixed
from susx.tuning.result import PROTOCOLS, TuningResult
from susx.tuning.support import tune_support
from susx.tuning.val import tune_val

__all__ = ["tune"]


def tune(
    method: str | Any,
    evidence: Evidence,
    protocol: str,
    *,
    dataset: str | None = None,
    grid: Grid | None = None,
    folds: int = 5,
    shrinkage: float = 0.0,
    seed: int = 0,
) -> tuple[Any, TuningResult]:
    """Return a method with chosen hyper-parameters, and how they were chosen.

    Of equally good points the one with the smallest gamma, then alpha, then beta is taken.

    Args:
        method: a name, or a method whose switches are kept and whose values count as the fixed ones.
        evidence: what may be looked at; validation rows are read by ``val`` alone.
        protocol: ``fixed``, ``support`` or ``val``.
        dataset: name of the data set, for Tip-Adapter's published grid.
        grid: points to search instead of the protocol's own.
        folds, shrinkage, seed: of ``support``.

    Raises:
        ConfigError: an unknown method or protocol.
        InputError: the protocol needs rows that the evidence does not hold.
    """
    if isinstance(method, str):
        if method not in METHODS:
            raise ConfigError(f"There is no method '{method}'.{did_you_mean(method, METHODS)}")
        method = METHODS[method]()
    if protocol not in PROTOCOLS:
        raise ConfigError(f"There is no tuning protocol '{protocol}'.{did_you_mean(protocol, PROTOCOLS)}")
    if protocol == "fixed" or not SEARCHED.get(method.name):
        return tune_fixed(method, "fixed")
    if protocol == "val":
        return tune_val(method, evidence, dataset=dataset, grid=grid)
    return tune_support(method, evidence, folds=folds, shrinkage=shrinkage, seed=seed, grid=grid)
