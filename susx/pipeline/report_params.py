"""Typed parameters of the stage ``report``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from susx.config import DatasetConfig
from susx.pipeline.parameters import Execution, Params
from susx.types import Json

__all__ = ["ReportParams", "Reporting"]


class ReportParams(Params):
    """What a report shows besides what its inputs hold."""

    dataset: str
    title: str
    """Of the data set."""
    classes: tuple[str, ...]
    sources: tuple[str, ...]
    measured: bool
    evaluate: bool
    """Whether measuring was asked for."""
    labelled: bool
    """Whether the data set has a reader of labelled images."""
    labelled_images: dict[str, int]
    """val, test and, where the copy has no official splits, neither -> images."""
    profile: dict[str, Json]
    """Of the profile, what is no matter of where the work is done."""
    trials: tuple[str, ...]
    headline: str
    notes: tuple[str, ...]
    """Of the plan."""


class Reporting(Execution):
    """Where the test images are, and facts of the run that wrote the report: when, with which command."""

    dataset: DatasetConfig
    data_root: Path | None
    run: dict[str, Any]
