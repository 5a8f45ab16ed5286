"""The flow ``experiment``: the cells of a YAML as tasks, as ``susx experiment`` does."""

from __future__ import annotations

if __name__ == "__main__":
    # The command line, before Prefect is imported: not every command needs it.
    from susx.cli import run_command

    run_command("experiment")
    raise SystemExit

from susx.flows.settings import prepare_environment

prepare_environment()

from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from prefect import flow  # noqa: E402
from prefect.artifacts import create_table_artifact  # noqa: E402
from prefect.task_runners import ThreadPoolTaskRunner  # noqa: E402

from susx.flows.connection import shared_server_url  # noqa: E402
from susx.flows.device_limit import ensure_device_limit  # noqa: E402
from susx.flows.executor import PrefectExecutor  # noqa: E402
from susx.flows.progress import Progress  # noqa: E402
from susx.flows.runners import open_runner  # noqa: E402
from susx.flows.tasks import keep_results_in  # noqa: E402
from susx.pipeline.experiment_graph import Experiment, Measured, measure_experiment, plan_experiment  # noqa: E402
from susx.pipeline.experiment_result import finish_experiment  # noqa: E402
from susx.store import ArtefactStore, open_store  # noqa: E402

__all__ = ["experiment_flow", "run_experiment"]


@flow(
    name="experiment",
    flow_run_name="{file}",
    task_runner=ThreadPoolTaskRunner(max_workers=1),  # type: ignore[arg-type]
    persist_result=False,
)
def experiment_flow(
    file: str,
    out: str = "result",
    store: str = "susx-store",
    runner: str = "local",
    ray_address: str | None = None,
) -> dict[str, Any]:
    """Measure every cell of an experiment and publish the accuracies as a table artifact. Only stale cells are computed.

    Args:
        file: YAML of the experiment.
        out: Folder of the result.
        store: Folder of the artefact store, which all workers reach.
        runner: Where tasks run: this process, processes, a Ray cluster.
        ray_address: Ray cluster, as host:6379; none: this machine.

    Raises:
        SusxError: what the command refuses, in its words.
    """
    experiment, opened = plan_experiment(Path(file), command=f"flow experiment of {file}"), open_store(store)
    measured = run_experiment(experiment, opened, Progress(), runner, ray_address)
    result = finish_experiment(experiment, measured, opened, Path(out))
    rows = [
        {"data set": row.dataset, "method": row.method, "tuning": row.tuning, "access": " + ".join(row.access), "shots": row.shots,
         "draw": row.draw, "regime": row.regime, "top-1": row.top1, "reason": row.reason}
        for row in result.rows
    ]  # fmt: skip
    what = f"Accuracies of {file}"
    create_table_artifact(rows, key="susx-experiment", description=what, _sync=True)  # type: ignore[call-arg]
    return {"result": out, "cells": len(rows), "failed": sum(bool(row.reason) for row in result.rows)}


def run_experiment(
    experiment: Experiment,
    store: ArtefactStore,
    progress: Progress,
    runner: str = "local",
    ray_address: str | None = None,
) -> Measured:
    """Carry an experiment out inside a running flow."""
    store.check_writable()
    keep_results_in(store)
    ensure_device_limit()
    with open_runner(runner, ray_address) as workers:
        return measure_experiment(
            experiment, PrefectExecutor(store, progress, workers, shared_server_url() is not None)
        )
