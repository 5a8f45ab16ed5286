"""Which grid a method is searched on."""

from __future__ import annotations

from typing import Any

import numpy as np

from susx.errors import ConfigError
from susx.search import Grid

__all__ = ["CALIP_TEXTUAL", "CALIP_VISUAL", "fine_grid", "published_grid"]

CALIP_VISUAL = np.concatenate([[0.0], 0.001 + np.arange(200) * (2.0 - 0.001) / 200])
CALIP_TEXTUAL = np.concatenate([[0.0], 0.001 + np.arange(200) * (0.1 - 0.001) / 200])
"""CALIP's published search for ImageNet (200 x 200, up to 2.0 and 0.1), with 0 so that zero-shot is a point."""


def published_grid(method: Any, dataset: str | None) -> Grid:
    """Return the grid the method's authors search, with 0 so that zero-shot is a point.

    Tip-Adapter's scales differ per data set; one that its paper does not name gets TIP-X's alphas and betas.
    """
    if method.name == "tip_x":
        return Grid.tip_x(with_zero=True)
    try:
        return Grid.tip_adapter(dataset or "", with_zero=True)
    except ConfigError:
        wide = Grid.tip_x(with_zero=True)
        return Grid(wide.alphas, wide.betas, np.zeros(1))


def fine_grid(method: Any) -> Grid:
    """Return 0 and logarithmic steps for alpha and gamma, even steps for beta, for tuning on the support set.

    The published alphas are 0.1, 2.6, 5.1 ...: too coarse around the fixed values, near which a shrunken
    choice lies.
    """
    gammas = (
        np.zeros(1) if method.name == "tip_adapter" else np.concatenate([[0.0], np.geomspace(0.02, 30.0, 30)])
    )
    return Grid(np.concatenate([[0.0], np.geomspace(0.05, 50.0, 31)]), np.arange(1.0, 50.0, 0.5), gammas)
