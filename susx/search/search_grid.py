"""The grid of hyper-parameters that the exact search of cache methods looks at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from susx.errors import ConfigError

__all__ = ["Grid"]


@dataclass(frozen=True, eq=False)
class Grid:
    """Three strictly ascending lists; a search looks at every combination.

    Attributes:
        alphas: weights of the affinity term, not negative.
        betas: sharpness of the affinity term, not negative. Evenly spaced betas are searched fastest.
        gammas: weights of the divergence term, not negative; ``(0,)`` where there is none.

    Raises:
        ConfigError: a list is empty, not ascending, not finite or goes below 0.
    """

    alphas: Float[np.ndarray, " alphas"]
    betas: Float[np.ndarray, " betas"]
    gammas: Float[np.ndarray, " gammas"]

    def __post_init__(self) -> None:
        for name in ("alphas", "betas", "gammas"):
            values = np.ascontiguousarray(getattr(self, name), dtype=np.float64)
            object.__setattr__(self, name, values)
            if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
                raise ConfigError(
                    f"{name} of a search grid must be a non-empty list of finite numbers, got {values}."
                )
            if (np.diff(values) <= 0).any() or values[0] < 0:
                raise ConfigError(f"{name} of a search grid must ascend from 0 or more, got {values}.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of alphas, betas and gammas."""
        return len(self.alphas), len(self.betas), len(self.gammas)
