"""An experiment started from the command line: no Prefect server where nothing is stale, a temporary one where something is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from susx.flows.connection import check_server, shared_server_url
from susx.flows.local import in_local_flow
from susx.flows.progress import Progress
from susx.flows.settings import prepare_environment
from susx.flows.temporary import TemporaryServer
from susx.pipeline.experiment_graph import Experiment, Measured, measure_experiment
from susx.pipeline.stage import Stage
from susx.pipeline.unchanged import Stale, kept_outcomes
from susx.pipeline.wiring import EXPERIMENT_STAGES
from susx.store import ArtefactStore, Job, Ref
from susx.types import Json

__all__ = ["run_local_experiment"]


@dataclass
class _Looking:
    """Carries out nothing; raises Stale at the first stage that has work to do."""

    store: ArtefactStore

    def run(self, stage: Stage, jobs: Sequence[Job]) -> list[Ref]:
        outcomes = kept_outcomes(jobs, self.store)
        if outcomes is None:
            raise Stale(stage)
        return [outcome.ref for outcome in outcomes]

    def account(self) -> list[Json]:
        return []


def run_local_experiment(
    experiment: Experiment,
    store: ArtefactStore,
    console: Console,
    *,
    runner: str = "local",
    ray_address: str | None = None,
) -> Measured:
    """Carry an experiment out, with progress on ``console``.

    Raises:
        ServerError: Prefect's server cannot be reached, or went away; finished cells are in the store.
    """
    prepare_environment()
    url = shared_server_url()
    if url is not None:
        check_server(url)
        return _run(experiment, store, console, runner, ray_address, None)
    try:
        measured = measure_experiment(experiment, _Looking(store))
    except Stale:
        pass
    else:
        console.print("Nothing is stale: every cell is in the store.")
        return measured
    server = TemporaryServer(store.root)
    server.start()
    sound = False
    try:
        server.wait()
        measured = _run(experiment, store, console, runner, ray_address, server)
        sound = True
        return measured
    finally:
        server.stop(discard=not sound)


def _run(
    experiment: Experiment,
    store: ArtefactStore,
    console: Console,
    runner: str,
    ray_address: str | None,
    server: TemporaryServer | None,
) -> Measured:
    from susx.flows.experiment import experiment_flow, run_experiment

    # Made here: the work is sent to worker processes, and a console holds locks that cannot travel.
    progress = Progress(console, list(EXPERIMENT_STAGES))

    def work(file: str) -> Measured:
        return run_experiment(experiment, store, progress, runner, ray_address)

    measured: Measured = in_local_flow(work, experiment_flow, (str(experiment.file),), server)
    return measured
