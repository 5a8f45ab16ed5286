"""One entry to the three tuning protocols. Test labels have no way in: the evidence has no slot for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from susx.errors import ConfigError, did_you_mean
from susx.methods.base import Method, Run
from susx.methods.registry import find_method
from susx.tuning.support import tune_support
from susx.tuning.tuning_result import PROTOCOLS, TuningResult
from susx.tuning.val import tune_val

if TYPE_CHECKING:
    from susx.methods.evidence import Evidence

__all__ = ["tune"]


def tune(
    method: str | Method[Any],
    evidence: Evidence,
    protocol: str,
    *,
    dataset: str | None = None,
    grid: Mapping[str, tuple[float, ...]] | None = None,
    folds: int = 5,
    shrinkage: float = 0.0,
    run: Run = Run(),
) -> tuple[Method[Any], TuningResult]:
    """Return a method with chosen hyper-parameters, and how they were chosen.

    Args:
        method: a name, or a method whose switches are kept and whose values count as the fixed ones.
        evidence: what may be looked at; validation rows are read by ``val`` alone.
        protocol: ``fixed``, ``support`` or ``val``. A method without axes has nothing to choose: ``fixed``.
        dataset: name of the data set, where a paper publishes grids per data set.
        grid: axis -> values to search instead of the method's own.
        folds, shrinkage: of ``support``.
        run: seed of the folds, and of fits.

    Raises:
        ConfigError: an unknown method or protocol, or a grid of other axes than the method's.
        InputError: the protocol needs rows that the evidence does not hold.
    """
    if isinstance(method, str):
        method = find_method(method)()
    if protocol not in PROTOCOLS:
        raise ConfigError(f"There is no tuning protocol '{protocol}'.{did_you_mean(protocol, PROTOCOLS)}")
    if protocol == "fixed" or not method.axes:
        return method, TuningResult(method.name, "fixed", method.values())
    points = method.grid(protocol, dataset) if grid is None else dict(grid)
    axes = {axis.name for axis in method.axes}
    if set(points) != axes:
        raise ConfigError(
            f"{method.name} is searched over {', '.join(sorted(axes))}; the grid given is over "
            f"{', '.join(sorted(points)) or 'nothing'}."
        )
    if protocol == "val":
        return tune_val(method, evidence, points, run)
    return tune_support(method, evidence, points, folds=folds, shrinkage=shrinkage, run=run)
