"""Trainings that end in their middle."""

from __future__ import annotations

from typing import Any

import pytest

from susx.methods import training

__all__ = ["interrupt_training"]


def interrupt_training(monkeypatch: pytest.MonkeyPatch, at: int) -> list[int]:
    """Let the ``at``-th step that is taken from now be interrupted as by Ctrl-C; every step before it leaves a checkpoint.

    Returns:
        The steps taken, filled as they are.
    """
    monkeypatch.setattr(training, "SAVE_SECONDS", 0.0)
    take: Any = training._Training.take
    steps: list[int] = []

    def interrupted(self: Any, step: int, loss: Any) -> float:
        steps.append(step)
        if len(steps) == at:
            raise KeyboardInterrupt
        return float(take(self, step, loss))

    monkeypatch.setattr(training._Training, "take", interrupted)
    return steps
