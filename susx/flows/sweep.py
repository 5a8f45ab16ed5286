"""The flow ``sweep``: data sets x modes x profiles, one build each. A build that fails does not end the others."""

from __future__ import annotations

from susx.flows.settings import prepare_environment

prepare_environment()

import itertools  # noqa: E402
from typing import Annotated, Any, Literal, TypeAlias  # noqa: E402

from prefect import flow  # noqa: E402
from prefect.artifacts import create_table_artifact  # noqa: E402
from pydantic import Field  # noqa: E402

from susx.errors import SusxError  # noqa: E402
from susx.flows.build import build_flow  # noqa: E402
from susx.flows.flow_parameters import takes_build_options  # noqa: E402
from susx.flows.runners import Runner  # noqa: E402

__all__ = ["sweep_flow"]

Mode: TypeAlias = Literal["retrieve", "generate", "generate,retrieve"]


@flow(name="sweep", persist_result=False)
@takes_build_options(without=("dataset", "mode", "profile"))
def sweep_flow(
    datasets: Annotated[list[str], Field(min_length=1)],
    modes: Annotated[list[Mode], Field(min_length=1)] = ["retrieve"],  # noqa: B006
    profiles: Annotated[list[str], Field(min_length=1)] = ["demo"],  # noqa: B006
    runner: Runner = "local",
    ray_address: str | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Build every combination on one store (what they share is made once) and publish one table of accuracies.

    Args:
        datasets: Names in configs/datasets/.
        modes: Where support images come from.
        profiles: Names in configs/profiles/: the encoders.
        runner: Where tasks run.
        ray_address: Ray cluster, as host:6379.
        options: The others of a build, for all of them.

    Raises:
        SusxError: a build failed; it is raised after all others were done.
    """
    rows, failures = [], []
    for dataset, mode, profile in itertools.product(datasets, modes, profiles):
        what = {"data set": dataset, "mode": mode, "profile": profile}
        state: Any = build_flow(
            dataset=dataset, mode=mode, profile=profile, runner=runner, ray_address=ray_address, return_state=True,
            **options,
        )  # fmt: skip
        if state.is_completed():
            summary = state.result()
            rows += [
                {**what, "method": row["method"], "tuning": row.get("tuning", ""), "top1": row.get("top1")}
                for row in summary["methods"]
            ] or [{**what, "method": "-", "tuning": "", "top1": None}]
        else:
            failures.append(f"{dataset} {mode} {profile}: {state.message}")
    if rows:
        about = "Accuracies of a sweep"
        create_table_artifact(rows, key="susx-sweep", description=about, _sync=True)  # type: ignore[call-arg]
    if failures:
        raise SusxError(
            f"{len(failures)} of the sweep's builds failed; the others are in the store. "
            + " | ".join(failures)
        )
    return rows
