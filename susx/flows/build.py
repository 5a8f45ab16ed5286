"""The flow ``build``: from class names to a report. ``python -m susx.flows.build --dataset dtd --mode retrieve``."""

from __future__ import annotations

if __name__ == "__main__":
    # The command line, before Prefect is imported: not every command needs it.
    from susx.cli import run_command

    run_command("build")
    raise SystemExit

from susx.flows.settings import prepare_environment

prepare_environment()

from typing import Annotated, Any, Literal  # noqa: E402 (Prefect reads the environment when it is imported)

from prefect import flow  # noqa: E402
from prefect.task_runners import ThreadPoolTaskRunner  # noqa: E402
from pydantic import Field  # noqa: E402

from susx.flows.connection import shared_server_url  # noqa: E402
from susx.flows.executor import PrefectExecutor  # noqa: E402
from susx.flows.limits import ensure_device_limit  # noqa: E402
from susx.flows.progress import Progress  # noqa: E402
from susx.flows.publish import publish_artifacts  # noqa: E402
from susx.flows.runners import Runner, open_runner  # noqa: E402
from susx.flows.runs import finish_run  # noqa: E402
from susx.flows.tasks import keep_results_in  # noqa: E402
from susx.stages.build_plan import BuildPlan  # noqa: E402
from susx.stages.graph import build  # noqa: E402
from susx.stages.plan import BuildOptions, plan_build  # noqa: E402
from susx.store import ArtefactStore, open_store  # noqa: E402

__all__ = ["build_flow", "run_build"]

Mode = Literal["retrieve", "generate", "generate,retrieve"]


@flow(
    name="build",
    flow_run_name="{dataset}-{mode}-{profile}",
    task_runner=ThreadPoolTaskRunner(max_workers=1),  # type: ignore[arg-type]
    persist_result=False,
    validate_parameters=True,
)
def build_flow(
    dataset: str,
    mode: Mode = "retrieve",
    profile: str = "demo",
    prompts: Literal["photo", "ensemble", "cupl"] | None = None,
    per_class: Annotated[int | None, Field(ge=1)] = None,
    store: str = "susx-store",
    data_root: str | None = None,
    seed: Annotated[int | None, Field(ge=0)] = None,
    settings: list[str] = [],  # noqa: B006
    evaluate: bool = True,
    runner: Runner = "local",
    ray_address: str | None = None,
) -> dict[str, Any]:
    """Build a support set for a list of class names, fit TIP-X and its peers, measure and report.

    Only stale stages are computed. Returns stages, accuracies and the report's path.

    Args:
        dataset: Name in configs/datasets/, or the path of a YAML.
        mode: Where support images come from.
        profile: Name in configs/profiles/, or the path of a YAML.
        prompts: Sentences for images and for the text classifier; none: the profile's own.
        per_class: Support images per class.
        store: Folder of the artefact store, or s3://bucket/prefix.
        data_root: Folder that holds the target's images.
        seed: Root seed.
        settings: key=value with dotted keys of the profile.
        evaluate: Measure on the target's test split where it is there.
        runner: Where tasks run: this process, processes, a Ray cluster.
        ray_address: Ray cluster, as host:6379; none: this machine.
    """
    options = BuildOptions(
        dataset, mode, profile, prompts, per_class, store, data_root, seed, tuple(settings), evaluate
    )
    return run_build(plan_build(options), open_store(store), Progress(), runner, ray_address)


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
