"""Query rows in blocks, so that memory does not grow with the number of images."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from susx.errors import InputError, MismatchError
from susx.methods.base import Method, Need
from susx.methods.evidence import ImageFeatures

__all__ = ["logits_in_blocks"]

# One block of query x columns numbers holds 64 MB of float32.
_BLOCK_NUMBERS = 16_000_000


def logits_in_blocks(method: Method[Any], state: Any, query: ImageFeatures) -> Float[Tensor, "query classes"]:
    """Return the method's scores of every query row, block by block (at once where it mixes the rows of a batch).

    Raises:
        MismatchError: the images were encoded to another width than the text.
        InputError: the method looks at patches and the images have none, or of another width.
    """
    text = state.text
    if query.pooled.shape[1] != text.shape[1]:
        raise MismatchError(
            f"Query features have {query.pooled.shape[1]} columns, the text classifier has {text.shape[1]}: they come "
            "from different encoders. Encode both with the same model."
        )
    patches = None
    if Need.PATCHES in method.needs:
        patches = query.patches
        if patches is None or patches.shape[-1] != text.shape[1] or not patches.shape[1]:
            shape = "none" if patches is None else f"shape {tuple(patches.shape)}"
            raise InputError(
                f"{method.name}: expected patch features of width {text.shape[1]} for every image, found {shape}. "
                "Encode with an encoder that yields patch tokens, or use another method."
            )
    if Need.ADAPTED in method.needs and query.adapted is None:
        raise InputError(
            f"{method.name}: expected adapted features of every image, found none. Encode the images with the method's adapters "
            "(susx.features.adapted_encoder), or use another method."
        )
    if Need.VIEWS in method.needs and (query.views is None or query.views.shape[-1] != text.shape[1]):
        shape = "none" if query.views is None else f"shape {tuple(query.views.shape)}"
        raise InputError(
            f"{method.name}: expected views of width {text.shape[1]} of every image, found {shape}. Encode the images with "
            "susx.features.views, or use another method; files of features hold none."
        )
    columns = method.numbers_per_row(state, 0 if patches is None else patches.shape[1])
    step = max(1, _BLOCK_NUMBERS // max(1, columns)) if method.row_wise else max(1, len(query))
    parts = [method.scores_of(state, query.rows(at, at + step)) for at in range(0, len(query), step)]
    return torch.cat(parts).float() if parts else text.new_zeros((0, text.shape[0]))
