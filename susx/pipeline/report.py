"""Stage ``report``: what a person reads and what a program reads of one build."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from susx.pipeline import (
    classify,
    curate,
    encode_images,
    fit,
    pool_statistics,
    prompts,
    target,
    text_classifier,
    words,
)
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Done
from susx.pipeline.report_params import Reporting, ReportParams
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["STAGE", "jobs", "run"]

_INPUTS = (
    words.STAGE, prompts.STAGE, text_classifier.STAGE, curate.STAGE, pool_statistics.STAGE, target.STAGE, fit.STAGE, classify.STAGE,
)  # fmt: skip


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job, whether anything was measured or not."""
    params = ReportParams(
        dataset=plan.dataset.name, title=plan.dataset.title, evaluate=bool(plan.run.get("evaluate", True)),
        classes=plan.classes, sources=plan.sources, measured=bool(plan.splits), labelled=bool(plan.dataset.readers),
        profile=plan.ingredients, trials=tuple(trial.name for trial in plan.trials), headline=plan.headline.name, notes=plan.notes, labelled_images=dict(plan.labelled_images),
    )  # fmt: skip
    execution = Reporting(
        dataset=plan.dataset, data_root=plan.data_root, run={**plan.run, "stages": done.account()}
    )
    inputs = [ref for stage in _INPUTS for ref in done.all(stage).values()]
    inputs += encode_images.image_sets(done).values()
    return [STAGE.job(plan, inputs, params=params, execution=execution)]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``report.html``, ``metrics.json`` and ``metrics.parquet``."""
    from susx.pipeline.report_data import report_data
    from susx.report import write_report

    data = report_data(job, store)
    write_report(data, out)
    return {"methods": len(data.methods), "images shown": len(data.support)}


STAGE = Stage("report", 10, run, "Write the report", jobs)
