"""A linear layer that is a whole method: for programs that have an encoder and want nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a method that is only named needs no torch
    from jaxtyping import Float
    from torch import Tensor

__all__ = ["LinearHead"]


@dataclass(frozen=True)
class LinearHead:
    """``logits = features @ weight.T + bias`` on unit rows.

    Attributes:
        weight: the logit scale is in it.
        bias: None where there is none.
    """

    weight: Float[Tensor, "classes dim"]
    bias: Float[Tensor, " classes"] | None = None

    def __call__(self, pooled: Float[Tensor, "query dim"]) -> Float[Tensor, "query classes"]:
        """Return the logits of unit rows."""
        scores = pooled @ self.weight.T
        return scores if self.bias is None else scores + self.bias

    def tensors(self) -> dict[str, Tensor]:
        """Return the parameters as ``torch.nn.Linear`` names them."""
        held = {"weight": self.weight} if self.bias is None else {"weight": self.weight, "bias": self.bias}
        return {name: value.float().contiguous() for name, value in held.items()}
