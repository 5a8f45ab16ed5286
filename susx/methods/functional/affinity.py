"""Image-image affinity: the cosine of every query row with every support row.

Source: Zhang et al., Tip-Adapter (ECCV 2022), ``A = f F^T`` with unit rows.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["affinity"]


def affinity(
    query: Float[Tensor, "query dim"], support: Float[Tensor, "support dim"]
) -> Float[Tensor, "query support"]:
    """Return ``A_ij = query_i . support_j``, the cosine when rows have unit length.

    Half-precision rows are multiplied in float32, because 512 products summed in float16 cost three digits;
    otherwise the wider of the two types is used.

    >>> affinity(torch.eye(2), torch.tensor([[0.6, 0.8]]))
    tensor([[0.6000],
            [0.8000]])
    """
    wide = torch.promote_types(torch.promote_types(query.dtype, support.dtype), torch.float32)
    return query.to(wide) @ support.to(wide).T
