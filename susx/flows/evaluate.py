"""The flow ``evaluate``: methods on a folder of features, as ``susx evaluate`` does."""

from __future__ import annotations

from susx.flows.settings import prepare_environment

prepare_environment()

import dataclasses  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from prefect import flow  # noqa: E402
from prefect.artifacts import create_table_artifact  # noqa: E402

__all__ = ["evaluate_flow"]


@flow(name="evaluate", flow_run_name="{features}", persist_result=False)
def evaluate_flow(
    features: str,
    methods: str = "",
    tuning: str = "fixed,support,val",
    pool: str | None = None,
    per_class: int = 16,
) -> list[dict[str, Any]]:
    """Measure methods on features and publish the accuracies as a table artifact. Returns its rows.

    Args:
        features: Folder of features: this project's, Tip-Adapter's or SuS-X's.
        methods: Joined by commas; empty: all that the features allow.
        tuning: fixed, support, val; joined by commas.
        pool: Folder with features.npy to retrieve the support from.
        per_class: Images per class retrieved from the pool.

    Raises:
        SusxError: what the command refuses, in its words.
    """
    from susx.experiment.evaluate_features import evaluate_features
    from susx.features.feature_folder import read_features

    folder = Path(features)
    experiment = evaluate_features(
        read_features(folder),
        pool=Path(pool) if pool else None,
        per_class=per_class,
        methods=_listed(methods),
        tuning=_listed(tuning),
        dataset=folder.name,
    )
    rows = [dataclasses.asdict(row) for row in experiment.rows]
    what = f"Accuracies on {features}"
    create_table_artifact(rows, key="susx-evaluate", description=what, _sync=True)  # type: ignore[call-arg]
    return rows


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
