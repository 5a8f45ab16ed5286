"""Query rows in blocks, so that memory does not grow with the number of images."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from susx.errors import MismatchError
from susx.methods.evidence import ImageFeatures

__all__ = ["logits_in_blocks"]

# One block of query x columns numbers holds 64 MB of float32.
_BLOCK_NUMBERS = 16_000_000


def logits_in_blocks(
    query: ImageFeatures,
    text: Float[Tensor, "classes dim"],
    columns: int,
    compute: Callable[[ImageFeatures], Tensor],
) -> Float[Tensor, "query classes"]:
    """Return ``compute`` of every query row, block by block.

    Args:
        query: images to classify; none at all gives zero rows.
        text: the text classifier, for the width and the number of classes.
        columns: numbers that ``compute`` holds per query row.
        compute: a row-wise function from images to logits.

    Raises:
        MismatchError: the images were encoded to another width than the text.
    """
    if query.pooled.shape[1] != text.shape[1]:
        raise MismatchError(
            f"Query features have {query.pooled.shape[1]} columns, the text classifier has {text.shape[1]}: they come "
            "from different encoders. Encode both with the same model."
        )
    step = max(1, _BLOCK_NUMBERS // max(1, columns))
    parts = [compute(query.rows(start, start + step)) for start in range(0, len(query), step)]
    return torch.cat(parts) if parts else text.new_zeros((0, text.shape[0]))
