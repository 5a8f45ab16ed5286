"""From features of sentences to the text classifier."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from susx.errors import InputError, MismatchError

__all__ = ["classifier_from_sentences"]


def classifier_from_sentences(features: Mapping[str, Float[Tensor, "_ dim"]]) -> Float[Tensor, "classes dim"]:
    """Return one unit row per class: the mean of its sentences' unit rows, brought to unit norm (Radford et
    al. 2021).

    Args:
        features: class name to the features of its sentences, in the order of the class list. Each sentence
            counts once whatever its length, and each class may have another number of them.

    Raises:
        InputError: no classes, a class without sentences, or sentences that cancel or hold NaN; names the
            class.
        MismatchError: sentences of two classes have different widths.

    >>> classifier_from_sentences({"cat": torch.tensor([[2.0, 0.0], [0.0, 1.0]])})
    tensor([[0.7071, 0.7071]])
    """
    if not features:
        raise InputError("There are no classes to build a text classifier of. Give class names.")
    rows = [_mean(name, sentences.float()) for name, sentences in features.items()]
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise MismatchError(
            f"Sentence features have widths {sorted(widths)}. Encode all with the same model."
        )
    return torch.stack(rows)


def _mean(name: str, sentences: Float[Tensor, "prompts dim"]) -> Float[Tensor, " dim"]:
    if sentences.ndim != 2 or not len(sentences):
        raise InputError(
            f"Class '{name}' has no sentences (shape {tuple(sentences.shape)}). Give every class at least one prompt."
        )
    mean = torch.nn.functional.normalize(sentences, dim=-1).mean(dim=0)
    norm = mean.norm()
    if not bool(norm > 1e-6):
        raise InputError(
            f"Class '{name}': its sentences' features are NaN, zero or cancel out. Encode them again."
        )
    row: Tensor = mean / norm
    return row
