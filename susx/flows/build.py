"""The flow ``build``: from class names to a report. ``python -m susx.flows.build --dataset dtd --mode retrieve``."""

from __future__ import annotations

if __name__ == "__main__":
    # The command line, before Prefect is imported: not every command needs it.
    from susx.cli import run_command

    run_command("build")
    raise SystemExit

from susx.flows.settings import prepare_environment

prepare_environment()

from typing import Any  # noqa: E402 (Prefect reads the environment when it is imported)

from prefect import flow  # noqa: E402
from prefect.task_runners import ThreadPoolTaskRunner  # noqa: E402

from susx.flows.connection import shared_server_url  # noqa: E402
from susx.flows.device_limit import ensure_device_limit  # noqa: E402
from susx.flows.executor import PrefectExecutor  # noqa: E402
from susx.flows.flow_parameters import takes_build_options  # noqa: E402
from susx.flows.progress import Progress  # noqa: E402
from susx.flows.publish import publish_artifacts  # noqa: E402
from susx.flows.runners import Runner, open_runner  # noqa: E402
from susx.flows.tasks import keep_results_in  # noqa: E402
from susx.pipeline.build_plan import BuildPlan  # noqa: E402
from susx.pipeline.graph import build  # noqa: E402
from susx.pipeline.options import BuildOptions  # noqa: E402
from susx.pipeline.plan import plan_build  # noqa: E402
from susx.pipeline.run_folder import finish_run  # noqa: E402
from susx.store import ArtefactStore, open_store  # noqa: E402

__all__ = ["build_flow", "run_build"]


@flow(
    name="build",
    flow_run_name="{dataset}-{mode}-{profile}",
    task_runner=ThreadPoolTaskRunner(max_workers=1),  # type: ignore[arg-type]
    persist_result=False,
    validate_parameters=True,
)
@takes_build_options()
def build_flow(runner: Runner = "local", ray_address: str | None = None, **options: Any) -> dict[str, Any]:
    """Build a support set for a list of class names, fit TIP-X and its peers, measure and report.

    Only stale stages are computed. Returns stages, accuracies and the report's path.

    Args:
        runner: Where tasks run: this process, processes, a Ray cluster.
        ray_address: Ray cluster, as host:6379; none: this machine.
        options: Those of a build.
    """
    asked = BuildOptions(**{**options, "settings": tuple(options["settings"])})
    return run_build(plan_build(asked), open_store(asked.store), Progress(), runner, ray_address)


def run_build(
    plan: BuildPlan,
    store: ArtefactStore,
    progress: Progress,
    runner: str = "local",
    ray_address: str | None = None,
) -> dict[str, Any]:
    """Carry a plan out inside a running flow."""
    store.check_writable()
    keep_results_in(store)
    ensure_device_limit()
    with open_runner(runner, ray_address) as workers:
        executor = PrefectExecutor(store, progress, workers, shared_server_url() is not None)
        result = build(plan, executor)
    summary = finish_run(plan, result, executor.records, store)
    publish_artifacts(summary)
    return summary
