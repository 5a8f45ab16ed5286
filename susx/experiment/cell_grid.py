"""The cells of an experiment: every combination that applies, each once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from susx.errors import ConfigError, did_you_mean
from susx.experiment.cell import Cell
from susx.experiment.cell_access import SUPPORT, access_of, applies
from susx.experiment.data import DataSet
from susx.experiment.regimes import check_regime, is_drawn
from susx.experiment.trials import method_of
from susx.methods import REFERENCE
from susx.methods.access import ACCESS, Access, sorted_access
from susx.methods.base import Method

__all__ = ["Grid", "cells_of", "parse_access"]


@dataclass(frozen=True)
class Grid:
    """What is combined; see ``susx.config.experiment``."""

    methods: Sequence[tuple[str, Mapping[str, Any]]]
    access: Sequence[frozenset[Access]] = ()
    tuning: Sequence[str] = ("fixed",)
    shots: Sequence[int] = ()
    draws: int = 3
    seeds: Sequence[int] = (0,)
    regimes: Sequence[str] = ("all",)
    shrinkage: float = 0.0


_OF_VAL: frozenset[Access] = frozenset({"validation"})
"""Granted wherever the protocol ``val`` is asked for: nothing else looks at it."""


def parse_access(text: str) -> frozenset[Access]:
    """Return what ``pool + folder`` grants.

    Raises:
        ConfigError: there is no such access.
    """
    parts = [part.strip() for part in text.split("+")]
    for part in parts:
        if part not in ACCESS:
            raise ConfigError(
                f"There is no access '{part}'.{did_you_mean(part, ACCESS)} Join some of {', '.join(ACCESS)} with '+'."
            )
    return frozenset(entry for entry in ACCESS if entry in parts)


def cells_of(grid: Grid, data: Mapping[str, DataSet | None]) -> tuple[Cell, ...]:
    """Return the cells, those that share a fit one after the other. The reference is measured asked for or not.

    Args:
        grid: what is combined.
        data: the data sets by name; None where one cannot be read, whose cells are those of a data set with everything.

    Raises:
        ConfigError: an unknown method, hyper-parameter or regime; a method that works with nothing of what is granted.
    """
    for regime in grid.regimes:
        check_regime(regime)
    asked = [(name, dict(parameters)) for name, parameters in grid.methods]
    methods = [(REFERENCE, {}), *(entry for entry in asked if entry != (REFERENCE, {}))]
    unique: dict[Any, Cell] = {}
    used: set[int] = set()
    for name, held in data.items():
        for number, (method_name, parameters) in enumerate(methods):
            method = method_of(method_name, parameters)
            for tuning in grid.tuning if method.axes else ("fixed",):
                for granted in grid.access or _granted(held, grid.shots):
                    wide: frozenset[Access] = granted | _OF_VAL
                    if not applies(method, tuning, wide):
                        continue
                    used.add(number)
                    for cell in _cells(
                        grid, name, held, method, parameters, tuning, access_of(method, tuning, wide)
                    ):
                        unique[cell.fit_key, cell.regime, cell.draw] = cell
    for number, (method_name, parameters) in enumerate(methods):
        if number not in used:
            raise ConfigError(_idle(method_of(method_name, parameters), grid))
    return tuple(unique.values())


def _cells(
    grid: Grid, name: str, held: DataSet | None, method: Method[Any], parameters: Mapping[str, Any], tuning: str,
    access: tuple[Access, ...],
) -> Iterator[Cell]:  # fmt: skip
    most = None if held is None else held.most_shots()
    counts: Sequence[int | None] = (grid.shots or (None,)) if "shots" in access else (None,)
    for seed in grid.seeds:
        for shots in counts:
            for draw in (None, *range(1, grid.draws + 1)):
                for regime in grid.regimes:
                    # Where a class gives all it has, or more is asked than there is, there is nothing to draw.
                    drawn = (
                        (shots is not None and (most is None or shots < most))
                        or is_drawn(regime)
                        or "stream" in access
                    )
                    if drawn == (draw is not None):
                        yield Cell(
                            name, method.name, parameters, tuning, access, shots, draw, seed, regime,
                            shrinkage=grid.shrinkage if tuning == "support" else 0.0, grids=name if tuning != "fixed" else None,
                        )  # fmt: skip


def _granted(held: DataSet | None, shots: Sequence[int]) -> list[frozenset[Access]]:
    """Return what a data set allows: the names, its pool, its labelled images; each with the folder and its order."""
    batch: frozenset[Access] = frozenset({"names", "folder", "stream"})
    granted = [batch]
    if held is None or held.pool is not None or _chosen_by_name(held):
        granted.append(batch | {"pool"})
    if held is None or shots or held.most_shots():
        granted.append(batch | {"shots"})
    return granted


def _chosen_by_name(held: DataSet) -> bool:
    return held.features.support is not None and not held.features.support_labelled


def _idle(method: Method[Any], grid: Grid) -> str:
    """Say why a method has no cell."""
    looks = " + ".join(sorted_access(method.access))
    granted: Collection[str] = [" + ".join(sorted_access(entry | {"names"})) for entry in grid.access]
    if grid.access and not any(entry & SUPPORT for entry in grid.access) and method.access & SUPPORT:
        hint = "Grant pool or shots"
    elif not method.row_wise:
        hint = "Grant folder or stream, whichever it looks at"
    else:
        hint = "Give a data set a pool, labelled support images, or validation images for the tuning val"
    return (
        f"{method.name} (it looks at {looks}) works with nothing of what is granted "
        f"({'; '.join(granted) or 'what the data sets hold'}, tuning {', '.join(grid.tuning)}). {hint}, or leave the method out."
    )
