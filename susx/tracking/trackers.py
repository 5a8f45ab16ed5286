"""Callbacks for two trackers, neither of which susx depends on."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import Any

from susx.errors import ConfigError
from susx.tracking.flat_metrics import metrics_of

__all__ = ["mlflow", "wandb"]

_SETTINGS = ("dataset", "profile", "mode", "command")


def wandb(summary: Mapping[str, Any]) -> None:
    """Make one run of Weights & Biases: project ``susx`` unless ``WANDB_PROJECT`` names another; ``WANDB_MODE=offline`` needs no account.

    Raises:
        ConfigError: the library is not installed.
    """
    tracker = _library("wandb")
    with tracker.init(
        project=os.environ.get("WANDB_PROJECT", "susx"), name=summary["run"], config=_settings(summary)
    ) as run:
        run.summary.update(metrics_of(summary) | {"report": str(summary["report"])})


def mlflow(summary: Mapping[str, Any]) -> None:
    """Make one run of MLflow, where ``MLFLOW_TRACKING_URI`` and ``MLFLOW_EXPERIMENT_NAME`` say.

    Raises:
        ConfigError: the library is not installed.
    """
    tracker = _library("mlflow")
    with tracker.start_run(run_name=summary["run"]):
        tracker.log_params(_settings(summary))
        tracker.log_metrics(metrics_of(summary))
        tracker.log_param("report", str(summary["report"]))


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"susx.tracking:{name} needs the library {name}. Run: pip install {name}"
        ) from error


def _settings(summary: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(summary[name]) for name in _SETTINGS if summary.get(name)}
