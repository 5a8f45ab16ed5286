"""The grid of hyper-parameters a search looks at, with the published ones as named constructors.

Sources: SuS-X (ICCV 2023) for TIP-X, Tip-Adapter (ECCV 2022) for the scales per data set. Both papers' lists
are ``first + i * (scale - first) / steps`` for i below ``steps``, so the scale itself is never reached.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from susx.errors import ConfigError, did_you_mean

__all__ = ["Grid"]

TIP_ADAPTER_SCALES: dict[str, tuple[float, float]] = {
    "caltech101": (12, 5),
    "dtd": (13, 13),
    "eurosat": (12, 10),
    "fgvcaircraft": (30, 30),
    "flowers102": (50, 50),
    "food101": (10, 10),
    "imagenet": (7, 3),
    "oxfordpets": (7, 3),
    "stanfordcars": (20, 10),
    "sun397": (12, 10),
    "ucf101": (7, 3),
}
"""(beta, alpha) scale of each data set of the Tip-Adapter paper."""


def _steps(first: float, scale: float, steps: int) -> Float[np.ndarray, " steps"]:
    return first + np.arange(steps) * (scale - first) / steps


@dataclass(frozen=True, eq=False)
class Grid:
    """Three strictly ascending lists; a search looks at every combination.

    Attributes:
        alphas: weights of the affinity term, not negative.
        betas: sharpness of the affinity term, not negative. Evenly spaced betas are searched fastest.
        gammas: weights of the divergence term, not negative; Tip-Adapter has none and uses ``(0,)``.

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

    @classmethod
    def tip_x(cls, *, with_zero: bool = False) -> Grid:
        """Return the published TIP-X grid of 20 alphas, 200 betas and 50 gammas.

        ``with_zero`` puts 0 before the alphas and the gammas, so that zero-shot is one of the points.
        """
        grid = cls(_steps(0.1, 50, 20), _steps(1, 50, 200), _steps(0.1, 30, 50))
        return grid.including_zero() if with_zero else grid

    @classmethod
    def tip_adapter(cls, dataset: str, *, with_zero: bool = False) -> Grid:
        """Return the published Tip-Adapter grid of ``dataset``: 20 alphas, 200 betas and gamma = 0.

        Raises:
            ConfigError: the paper names no scales for this data set.
        """
        if dataset not in TIP_ADAPTER_SCALES:
            raise ConfigError(
                f"Tip-Adapter publishes no search scales for '{dataset}'; pass a Grid of your own."
                + did_you_mean(dataset, TIP_ADAPTER_SCALES)
            )
        beta, alpha = TIP_ADAPTER_SCALES[dataset]
        grid = cls(_steps(0.1, alpha, 20), _steps(0.1, beta, 200), np.zeros(1))
        return grid.including_zero() if with_zero else grid

    def including_zero(self) -> Grid:
        """Return the grid with 0 among its alphas and gammas."""
        alphas, gammas = (v if v[0] == 0 else np.concatenate([[0.0], v]) for v in (self.alphas, self.gammas))
        return Grid(alphas, self.betas, gammas)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of alphas, betas and gammas."""
        return len(self.alphas), len(self.betas), len(self.gammas)
