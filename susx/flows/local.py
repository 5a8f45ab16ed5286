"""A build started from the command line: the plan that was checked is the plan that runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from prefect import Flow
from prefect.exceptions import PrefectHTTPStatusError
from rich.console import Console

from susx.errors import ServerError
from susx.flows.build import run_build
from susx.flows.progress import Progress
from susx.flows.runners import shared_server
from susx.stages.build_plan import BuildPlan
from susx.store import open_store

__all__ = ["planned_run"]


def planned_run(
    flow: Flow[Any, Any],
    plan: BuildPlan,
    store: str,
    console: Console,
    *,
    runner: str = "local",
    ray_address: str | None = None,
) -> Mapping[str, Any]:
    """Run a plan as a run of ``flow``'s name and settings, with progress on ``console``.

    Raises:
        ServerError: Prefect's server cannot be reached, or went away; finished work is in the store.
    """

    progress = Progress(console)

    def build(dataset: str, mode: str, profile: str) -> dict[str, Any]:
        return run_build(plan, open_store(store), progress, runner, ray_address)

    from prefect import flow as make_flow

    decorate: Any = make_flow
    local = decorate(
        build,
        name=flow.name,
        flow_run_name=flow.flow_run_name,
        task_runner=flow.task_runner,
        persist_result=False,
    )
    try:
        with shared_server(runner):
            summary: Mapping[str, Any] = local(plan.dataset.name, "+".join(plan.sources), plan.profile.name)
            return summary
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        raise _gone(error) from error
    except RuntimeError as error:
        if "Prefect" not in str(error) or "server" not in str(error):
            raise
        raise _gone(error) from error


def _gone(error: Exception) -> ServerError:
    import os

    url = os.environ.get("PREFECT_API_URL")
    what = f"the Prefect server at {url}" if url else "the temporary Prefect server of this run"
    todo = (
        "Start it again, or unset PREFECT_API_URL to run without one,"
        if url
        else "Wait for a less busy machine"
    )
    return ServerError(
        f"Cannot go on: {what} does not answer ({type(error).__name__}: {error}). Finished work is kept in the store. "
        f"{todo} and run the same command again: it goes on from there."
    )
