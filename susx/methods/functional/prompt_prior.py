"""The prompts' prior: how much more probability the prompts give a class than it has, over images of all classes alike.

Chosen images hold each class equally often. With q = softmax(z) and v_i the weight of an image, equal in sum for each
class and within it by its certainty q of the class,

    b_c = log (classes sum_i v_ic q_ic),   sum over the images of a class v = 1 / classes

is 0 where the prompts are even, and z - b is a step towards making them so: prior correction (Saerens, Latinne &
Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities", Neural Computation 2002).

Where the images are of their classes this tells hubs better than the mean of a class's largest z (``hubness``), which
is also large for a class that is merely well drawn by its prompt and cost 16 breeds of Pets four points. Where they are
not, their posteriors tell nothing, and the level of the pool's nearest images does.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["prompt_prior"]


def prompt_prior(
    z: Float[Tensor, "support classes"], labels: Int64[Tensor, " support"]
) -> Float[Tensor, " classes"]:
    """Return b, to be subtracted from the logits; 0 for a class without images.

    Args:
        z: scaled cosines of the support images with the class prompts.
        labels: the classes they were chosen for.

    >>> z = torch.tensor([[5.0, 0.0], [5.0, 5.0]]).double()
    >>> prompt_prior(z, torch.tensor([0, 1])).round(decimals=2)
    tensor([ 0.4000, -0.6800], dtype=torch.float64)
    """
    q = z.softmax(dim=1)
    certain = q.gather(1, labels[:, None])[:, 0].clamp(min=1e-12)
    mass = z.new_zeros(z.shape[1]).index_add_(0, labels, certain)
    has_images = mass > 0
    weights = certain / mass[labels]
    received = (weights[:, None] * q).sum(dim=0)
    return torch.where(has_images, received.clamp(min=1e-12).log(), torch.zeros_like(received))
