"""What the phases of training the embedded diffusion model share: one step, its rate, and checkpoints."""

# mypy: disable-error-code="no-untyped-call, no-any-return"
# diffusers, transformers and parts of torch are not annotated.

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["restore", "save", "set_rate", "take_step"]


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def take_step(optimiser: torch.optim.Optimizer, model: nn.Module, loss: Tensor) -> None:
    """One step down the gradient of ``loss``, clipped to norm 1."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()


def save(file: Path, state: dict[str, object]) -> None:
    """Write a checkpoint whole or not at all."""
    torch.save(state, file.with_suffix(".new"))
    file.with_suffix(".new").replace(file)


def restore(file: Path, model: nn.Module, **others: Any) -> int:
    """Load a checkpoint when there is one; returns the number of steps it has behind it."""
    if not file.exists():
        return 0
    state = torch.load(file, weights_only=True)
    model.load_state_dict(state["model"])
    for name, other in others.items():
        other.load_state_dict(state[name])
    return state["step"]
