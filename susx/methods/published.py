"""The divergence term as the official SuS-X script computes it, for comparison only (TIP-X
``published=True``).

Described from the script's behaviour: divergences are rescaled by the minimum and maximum of the whole batch;
they are filled in hundreds of rows, so the last (rows mod 100) stay zero; and test divergences are mapped
onto the range of affinities left over from the validation split.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from susx.errors import ConfigError, InputError
from susx.methods.evidence import Evidence
from susx.methods.functional.affinity import affinity
from susx.methods.functional.cache_logits import class_sums
from susx.methods.functional.kl import kl_divergence
from susx.methods.functional.rescale import rescale_to_range
from susx.methods.functional.signature import log_signature

__all__ = ["check_switches", "published_divergence", "validation_range"]

_SCRIPT_BATCH = 100


def check_switches(method: Any) -> None:
    """Refuse ``slips`` without ``published``.

    Raises:
        ConfigError: the slips are slips of the published computation.
    """
    if method.slips and not method.published:
        raise ConfigError(
            "tip_x: slips=True repeats two mistakes of the published script; set published=True as well."
        )


def validation_range(evidence: Evidence, keys: Float[Tensor, "support dim"]) -> Float64[Tensor, " ends"]:
    """Return the least and greatest affinity of validation images and support.

    Raises:
        InputError: there are no validation features.
    """
    if not evidence.has_validation or evidence.validation_features is None:
        raise InputError(
            "tip_x: slips=True maps divergences onto the range of validation affinities, and there are no validation "
            "features. Give them, or leave slips off."
        )
    low, high = torch.aminmax(affinity(evidence.validation_features, keys))
    return torch.tensor([float(low), float(high)], dtype=torch.float64)


def published_divergence(
    pooled: Float[Tensor, "query dim"],
    text: Float[Tensor, "classes dim"],
    keys: Float[Tensor, "support dim"],
    labels: Int64[Tensor, " support"],
    weights: Float[Tensor, " support"],
    temperature: float,
    slip_range: Float64[Tensor, " ends"],
) -> Float[Tensor, "query classes"]:
    """Return psi(M) L of one whole batch; with a non-empty ``slip_range`` the two slips are made as well.

    Holds query x support numbers, as the script does.
    """
    divergence = kl_divergence(
        log_signature(pooled, text, temperature), log_signature(keys, text, temperature)
    ).float()
    if len(slip_range):
        divergence[len(divergence) - len(divergence) % _SCRIPT_BATCH :] = 0.0
        target = (float(slip_range[0]), float(slip_range[1]))
    else:
        low, high = torch.aminmax(affinity(pooled, keys))
        target = (float(low), float(high))
    return class_sums(rescale_to_range(divergence, target) * weights, labels, len(text))
