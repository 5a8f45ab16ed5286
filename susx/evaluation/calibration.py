"""Whether a confidence means what it says: expected calibration error, reliability, temperature scaling.

Guo, Pleiss, Sun & Weinberger, "On Calibration of Modern Neural Networks", ICML 2017: 15 equal bins (their choice), the bin's
gap of accuracy and mean confidence weighted by its share; one temperature fitted by likelihood on held-out images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from susx.errors import InputError
from susx.evaluation.scores import check_scored

__all__ = ["FEWEST", "ReliabilityBins", "calibrate", "fit_temperature", "probabilities", "reliability"]

FEWEST = 128
"""Labelled images that a temperature takes at least.

Measured on DTD, SUN397 and Oxford-IIIT Pets (16 breeds), CLIP ViT-B/32, under zero-shot, Tip-Adapter and whitened prototypes, 60
draws of each number of images: what the draw in twenty that is worst costs, in nats of cross-entropy above the best temperature, in
the mean of the nine cells 0.025 at 100 images, 0.017 at 128, 0.011 at 200; calibrating at all gains 0.018. Fewer images cost far
more where nearly all are right: a draw may hold no error, and the likelihood then knows no best temperature. On Pets under zero-shot
(n = 1,588, 92 % right, 60 draws) the draw in twenty that is worst costs 13 nats at 32 images and 31 at 16, the worst of all 102; 0.05 at 128."""

_LOG_TEMPERATURES = (-7.0, 7.0)
"""Natural logarithms of the temperatures searched: 0.0009 to 1,100."""


def probabilities(
    logits: Float[Tensor, "query classes"], temperature: float
) -> Float[Tensor, "query classes"]:
    """Return softmax(logits / temperature) in the precision of the logits, defined for every temperature above 0.

    The largest logit of a row is taken off first: nothing then overflows but to 0. Towards temperature 0 the best class (or those
    that share the first place) gets all.
    """
    least = float(torch.finfo(logits.dtype).tiny)  # a smaller one is 0 in this precision, and 0 / 0 is NaN
    return ((logits - logits.amax(dim=1, keepdim=True)) / max(temperature, least)).softmax(dim=1)


@dataclass(frozen=True)
class ReliabilityBins:
    """Per non-empty bin the mean confidence, accuracy and count; ``ece`` is the expected calibration error."""

    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    counts: tuple[int, ...]
    ece: float


def reliability(
    logits: Float[Tensor, "query classes"],
    labels: Int64[Tensor, " query"],
    temperature: float = 1.0,
    bins: int = 15,
) -> ReliabilityBins:
    """Return the reliability diagram of softmax(logits / temperature).

    Raises:
        InputError: a temperature or number of bins that is not positive; logits or labels that cannot be scored.
    """
    check_scored(logits, labels)
    if not (temperature > 0 and bins >= 1):
        raise InputError(f"Temperature and bins must be positive, found {temperature} and {bins}.")
    confidence = probabilities(logits.double(), temperature).amax(dim=1)
    right = (logits.argmax(dim=1) == labels).double()
    # a bin holds (low, high], so that confidence 1 belongs to the last one
    index = (torch.ceil(confidence * bins).long() - 1).clamp(0, bins - 1)
    counts = torch.bincount(index, minlength=bins)
    held = counts > 0
    mean = torch.bincount(index, confidence, bins)[held] / counts[held]
    accuracy = torch.bincount(index, right, bins)[held] / counts[held]
    ece = float(((accuracy - mean).abs() * counts[held]).sum() / len(labels))
    return ReliabilityBins(tuple(mean.tolist()), tuple(accuracy.tolist()), tuple(counts[held].tolist()), ece)


def calibrate(logits: Float[Tensor, "query classes"], labels: Int64[Tensor, " query"]) -> float | None:
    """Return the temperature of labelled images, None where they are too few to tell one: below ``FEWEST``, or all right."""
    if len(labels) < FEWEST or bool((logits.argmax(dim=1) == labels).all()):
        return None
    return fit_temperature(logits, labels)


def fit_temperature(logits: Float[Tensor, "query classes"], labels: Int64[Tensor, " query"]) -> float:
    """Return the temperature that makes the labels most likely; fit it on images that nothing else was fitted on.

    The likelihood is concave in 1/temperature, so a bounded search finds its only maximum. When every image is
    right the likelihood grows towards temperature 0; the lower end of the range is returned then.
    """
    from scipy.optimize import minimize_scalar

    check_scored(logits, labels)
    scores = logits.detach().double().cpu()
    labels_cpu = labels.cpu()

    def loss(log_temperature: float) -> float:
        return float(torch.nn.functional.cross_entropy(scores / np.exp(log_temperature), labels_cpu))

    minimum = minimize_scalar(loss, bounds=_LOG_TEMPERATURES, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(minimum.x))
