"""One hyper-parameter that may be searched: its grids, and what a choice of it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from susx.errors import ConfigError

__all__ = ["Axis"]


@dataclass(frozen=True)
class Axis:
    """A searched hyper-parameter of a method; its default is the field's.

    Attributes:
        name: the field of the method.
        grids: protocol (``val``, ``support``) -> ascending values. A weight's grids begin with 0, so that a search
            never has to be worse than the method without the term on the rows it looks at.
        dataset_grids: data set -> values of ``val`` where a paper publishes some for that data set.
        enters: ``fit``: another value needs another fit; ``logits``: the state serves all values.
        shrinks: which mean a choice is shrunk towards the default by: of ``values`` or of ``logarithms``.
        term: for the weight of a term of the logits (0 leaves the term out), what the term is called; else "".
        weight: name of the axis that weighs the term this axis belongs to: where that is 0 the search has not
            measured this one, and its default stays.
    """

    name: str
    grids: Mapping[str, tuple[float, ...]]
    dataset_grids: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    enters: Literal["fit", "logits"] = "logits"
    shrinks: Literal["values", "logarithms"] = "values"
    term: str = ""
    weight: str = ""

    def grid(self, protocol: str, dataset: str | None = None) -> tuple[float, ...]:
        """Return the values to search.

        Raises:
            ConfigError: this axis has no grid for the protocol.
        """
        if protocol == "val" and dataset is not None and dataset in self.dataset_grids:
            return self.dataset_grids[dataset]
        if protocol not in self.grids:
            raise ConfigError(
                f"There is no grid of {self.name} for the protocol '{protocol}'; there are grids for "
                f"{', '.join(sorted(self.grids))}. Give a grid."
            )
        return self.grids[protocol]
