"""What each image of a stream reads in a memory of the images before it (Zhang et al., DMN, CVPR 2024, eq. 3 and 4)."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from susx.methods.functional.stream_cache import ClassCache, entropy

__all__ = ["memory_cosines"]

_LEAST = 1e-30  # length of a sum that rounding could make negative


def memory_cosines(
    rows: Float[Tensor, "query dim"],
    text: Float[Tensor, "classes dim"],
    prompts: Float[Tensor, "query classes"],
    places: int,
    beta: float,
) -> Float[Tensor, "query classes"]:
    """Return f.V_c(f) with V_c(f) the unit sum of exp(-beta (1 - f.m)) m over a class's prompt and remembered images m.

    The sums themselves are not made: their length follows from the cosines of a class's memories with each other, which are
    kept up to date as images come and go.

    Args:
        rows: unit rows, in their order.
        text: unit rows of the class prompts.
        prompts: zero-shot probabilities, which say where an image is remembered.
        places: images that a class remembers.
        beta: sharpness.
    """
    images, shares = rows.float().numpy(), prompts.double().numpy()
    labels, doubts = shares.argmax(axis=1), entropy(shares)
    classes = len(text)
    cache = ClassCache(classes, places)
    # Place 0 of a class is its prompt, the others are its images; a free place is cosine 0 to all and has no say.
    gram = np.zeros((classes, places + 1, places + 1))
    gram[:, 0, 0] = 1.0
    near = np.zeros((classes, places + 1))
    to_text = (rows.double() @ text.double().T).numpy()
    used = 1
    read = np.zeros((len(images), classes))
    for number, row in enumerate(images):
        label = int(labels[number])
        alike = images[: number + 1] @ row
        slot = cache.offer(number, label, float(doubts[number]))
        near[:, 0] = to_text[number]
        near[:, 1:] = np.where(cache.numbers >= 0, alike[cache.numbers], 0.0)
        if slot is not None:
            gram[label, slot + 1], gram[label, :, slot + 1] = near[label], near[label]
            used = max(used, slot + 2)
        pull, seen = np.exp(beta * (near[:, :used] - 1)), gram[:, :used, :used]
        length = ((pull[:, None] @ seen)[:, 0] * pull).sum(axis=1)
        read[number] = (pull * near[:, :used]).sum(axis=1) / np.sqrt(np.maximum(length, _LEAST))
    return torch.from_numpy(read).to(rows.dtype)
