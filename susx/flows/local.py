"""A build started from the command line: the plan that was checked is the plan that runs.

Where nothing is stale and no Prefect server is configured, none is started: the artefacts are verified and the run
ends. Where something is, a temporary server starts while Prefect, torch and the encoder are loaded here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console

from susx.flows.connection import check_server, gone, server_of_run, shared_server_url
from susx.flows.progress import Progress
from susx.flows.settings import prepare_environment
from susx.flows.temporary import TemporaryServer
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.executors import PlanExecutor
from susx.pipeline.graph import build as build_graph
from susx.pipeline.stage import Stage
from susx.pipeline.unchanged import Stale, finish_unchanged
from susx.pipeline.wiring import STAGES
from susx.store import ArtefactStore

__all__ = ["in_local_flow", "run_plan"]

UNCHANGED = "Nothing is stale: no stage and no Prefect server was started (--record asks for a flow run all the same)."


def run_plan(
    plan: BuildPlan,
    store: ArtefactStore,
    console: Console,
    *,
    record: bool = False,
    runner: str = "local",
    ray_address: str | None = None,
) -> Mapping[str, Any]:
    """Carry a plan out, with progress on ``console``.

    Args:
        plan: what to build.
        store: where artefacts lie.
        console: where progress is shown.
        record: make a flow run even if nothing is stale.
        runner: ``local``, ``processes`` or ``ray``.
        ray_address: of the Ray cluster.

    Raises:
        ServerError: Prefect's server cannot be reached, or went away; finished work is in the store.
    """
    prepare_environment()
    url = shared_server_url()
    if url is not None:
        check_server(url)
        return _run_flow(plan, store, Progress(console, _stages(plan, store)), runner, ray_address, None)
    stale: Stage | None = None
    if not record:
        try:
            summary = finish_unchanged(plan, store)
        except Stale as found:
            stale = found.stage
        else:
            console.print(UNCHANGED)
            return summary
    server = TemporaryServer(store.root)
    server.start()
    sound = False
    try:
        progress = Progress(console, _stages(plan, store))
        with progress.doing("Starting a temporary Prefect server, loading the models"):
            if stale is not None and runner == "local":
                _load(plan, stale)
            server.wait()
        summary = _run_flow(plan, store, progress, runner, ray_address, server)
        sound = True
        return summary
    finally:
        server.stop(discard=not sound)


def _stages(plan: BuildPlan, store: ArtefactStore) -> list[str]:
    """Return the stages of a build, to say how much is left."""
    walk = PlanExecutor(store)
    build_graph(plan, walk)
    return list(dict.fromkeys(entry.job.stage for entry in walk.planned))


def _load(plan: BuildPlan, stale: Stage) -> None:
    """Load what the stale stages need, while the server starts."""
    import torch  # noqa: F401

    order = list(STAGES)
    if any(STAGES[name].device for name in order[order.index(stale.name) :]):
        from susx.features.encoder import load_encoder

        load_encoder(plan.profile.encoder)


def _run_flow(
    plan: BuildPlan,
    store: ArtefactStore,
    progress: Progress,
    runner: str,
    ray_address: str | None,
    server: TemporaryServer | None,
) -> dict[str, Any]:
    from susx.flows.build import build_flow, run_build

    def build(dataset: str, mode: str, profile: str) -> dict[str, Any]:
        return run_build(plan, store, progress, runner, ray_address)

    asked = (plan.dataset.name, "+".join(plan.sources), plan.profile.name)
    summary: dict[str, Any] = in_local_flow(build, build_flow, asked, server)
    return summary


def in_local_flow(
    work: Callable[..., Any], like: Any, asked: Sequence[str], server: TemporaryServer | None
) -> Any:
    """Run work as a flow of this process, under the name of another flow.

    Args:
        work: takes what was asked for.
        like: the flow whose name, names of runs and task runner it has.
        asked: shown as the parameters of the run.
        server: this run's own; None: the one that is configured.

    Raises:
        ServerError: Prefect's server cannot be reached, or went away; finished work is in the store.
    """
    import httpx
    from prefect import flow as make_flow
    from prefect.exceptions import PrefectHTTPStatusError

    # Prefect's tracebacks of what susx refuses are kept out of the terminal: susx says it in words.
    for name in ("prefect.flow_runs", "prefect.task_runs", "prefect.flow_engine", "prefect.task_engine"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    decorate: Any = make_flow
    local = decorate(
        work, name=like.name, flow_run_name=like.flow_run_name, task_runner=like.task_runner, persist_result=False
    )  # fmt: skip
    url = server.url if server else shared_server_url()
    try:
        with server_of_run(server):
            return local(*asked)
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        raise gone(error, url) from error
    except RuntimeError as error:
        if "Failed to reach API" not in str(error) and not (
            "Prefect" in str(error) and "server" in str(error)
        ):
            raise
        raise gone(error, url) from error
