"""A fitted method as a torch module: image features of any norm in, logits out."""

from __future__ import annotations

import dataclasses
from typing import Any

from torch import Tensor, nn

from susx.errors import ConfigError
from susx.methods.base import Method, Need

__all__ = ["LogitsModule"]


_BEYOND = {
    Need.PATCHES: "looks at patch features",
    Need.ADAPTED: "compares features of an adapted encoder",
    Need.VIEWS: "looks at many views of an image",
    Need.QUERY_TEXT: "encodes the class prompts anew for every image",
}
"""Needs of which no features of one image are the whole input."""


class LogitsModule(nn.Module):
    """Brings rows to unit norm and computes the method's scores; the tensors of the state are its buffers.

    Raises:
        ConfigError: the method looks at more than an image's own features, or mixes the rows of a batch.
    """

    def __init__(self, method: Method[Any], state: Any) -> None:
        super().__init__()
        reasons = [why for need, why in _BEYOND.items() if need in method.needs]
        if not method.row_wise:
            reasons.append("mixes the rows of a batch")
        if reasons:
            why = " and ".join(reasons)
            instead = (
                "Use susx predict or susx serve for it."
                if method.row_wise
                else "Use a method that sees one image at a time, as whitened_prototypes does."
            )
            raise ConfigError(
                f"The method '{method.name}' {why}, so it is no function from one image's features to its logits. {instead}"
            )
        self.method, self.state = method, state
        self.names = [f.name for f in dataclasses.fields(state) if isinstance(getattr(state, f.name), Tensor)]
        for name in self.names:
            self.register_buffer(f"state_{name}", getattr(state, name))

    def forward(self, features: Tensor) -> Tensor:
        """Return ``[query classes]`` logits of ``[query dim]`` features."""
        buffers = {name: getattr(self, f"state_{name}") for name in self.names}
        state = dataclasses.replace(self.state, **buffers)
        scores: Tensor = self.method.scores(state, nn.functional.normalize(features, dim=1), None)
        return scores.float()
