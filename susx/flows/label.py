"""The flow ``label``: a folder of photographs labelled by class names, as ``susx label`` does."""

from __future__ import annotations

from susx.flows.settings import prepare_environment

prepare_environment()

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

__all__ = ["label_flow"]


@flow(
    name="label",
    flow_run_name="{folder}",
    task_runner=ThreadPoolTaskRunner(max_workers=1),  # type: ignore[arg-type]
    persist_result=False,
)
def label_flow(
    folder: str,
    classes: str = "",
    names: list[str] | None = None,
    out: str = "labels",
    profile: str = "demo",
    pool: str | None = None,
    no_pool: bool = False,
    corrections: str | None = None,
    prompts: str | None = None,
    store: str = "susx-store",
    settings: list[str] | None = None,
    runner: str = "local",
    ray_address: str | None = None,
) -> dict[str, Any]:
    """Label a folder of photographs, and publish how many images each class has. Only stale stages are computed.

    Args:
        folder: Folder of photographs, at any depth.
        classes: File with a class name a line, or a data set's YAML or name.
        names: The class names themselves, in place of classes.
        out: Folder of the result.
        profile: Name in configs/profiles/, or the path of a YAML.
        pool: Folder of an index of any photographs, or one with features.npy.
        no_pool: Leave the profile's pool aside.
        corrections: CSV of what people said; the result's own when not given.
        prompts: photo, ensemble or cupl; the profile's own when not given.
        store: Folder of the artefact store, which all workers reach.
        settings: key=value with a dotted key of the profile.
        runner: Where tasks run: this process, processes, a Ray cluster.
        ray_address: Ray cluster, as host:6379; none: this machine.

    Raises:
        SusxError: what the command refuses, in its words.
    """
    from susx.labelling.label_report import write_page
    from susx.pipeline.label_graph import label_folder
    from susx.pipeline.label_options import LabelOptions
    from susx.pipeline.label_plan import plan_label
    from susx.store import open_store

    options = LabelOptions(
        folder,
        classes,
        tuple(names or ()),
        out,
        profile,
        pool,
        no_pool,
        corrections,
        prompts,
        store,
        tuple(settings or ()),
    )
    opened = open_store(store)
    opened.check_writable()
    plan = plan_label(options, opened)
    keep_results_in(opened)
    ensure_device_limit()
    with open_runner(runner, ray_address) as workers:
        executor = PrefectExecutor(opened, Progress(), workers, shared_server_url() is not None)
        result = label_folder(plan, executor).write(plan.out)
    write_page(result)
    counts = result.frame["label"].value_counts()
    rows = [{"class": name or "none of these", "images": int(count)} for name, count in counts.items()]
    what = f"Labels of {folder}"
    create_table_artifact(rows, key="susx-label", description=what, _sync=True)  # type: ignore[call-arg]
    return {
        "result": str(plan.out), "images": len(result), "left_out": dict(result.record.left_out),
        "estimated_accuracy": result.record.estimated_accuracy, "stages": executor.account(),
    }  # fmt: skip
