"""Stage ``report``: what a person reads and what a program reads of one build."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

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
from susx.pipeline.images import files_by_digest
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.report_params import Reporting, ReportParams
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job
from susx.types import Json

if TYPE_CHECKING:
    from susx.datasets import TargetSplit
    from susx.report.build_data import BuildMade

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
    from susx.datasets import read_split
    from susx.report import write_report
    from susx.report.build_data import BuildSettings
    from susx.report.collect import report_data

    params, how = ReportParams.of(job), Reporting.of(job)
    asked = BuildSettings(
        params.dataset, params.title, params.classes, params.sources, params.evaluate, params.labelled, params.labelled_images,
        params.profile, params.trials, params.headline, params.notes, how.run,
    )  # fmt: skip
    made = _made(params, Artefacts.of(job), store, lambda: read_split(how.dataset, how.data_root, "test"))
    data = report_data(asked, made)
    write_report(data, out)
    return {"methods": len(data.methods), "images shown": len(data.support)}


def _made(
    params: ReportParams,
    inputs: Artefacts,
    store: ArtefactStore,
    test_split: Callable[[], TargetSplit | None],
) -> BuildMade:
    from susx.experiment.of_build import evidence_of
    from susx.methods.state import load_fitted
    from susx.report.build_data import BuildMade

    text, support = inputs.one(text_classifier.STAGE), inputs.one(curate.STAGE)
    fits, splits, pool = inputs.all(fit.STAGE), inputs.all(target.STAGE), inputs.find(pool_statistics.STAGE)
    classifier, rows = text_classifier.read(store, text), curate.read_rows(store, support)
    chosen = {name: words.read(store, inputs, name) for name in params.classes}
    named = {"prompts": inputs.one(prompts.STAGE), "text": text, "support": support, **splits}
    return BuildMade(
        text=classifier,
        words={name: of for name, of in chosen.items() if of} if inputs.find(words.STAGE) else None,
        support=rows,
        files=files_by_digest(store, encode_images.image_sets(inputs).values()),
        evidence=evidence_of(
            classifier, rows, curate.read_features(store, support), params.classes,
            pool=pool_statistics.read(store, pool) if pool else None,
        ),
        rejection=pool_statistics.read_rejection(store, pool),
        fits={name: fit.read_record(store, ref) for name, ref in fits.items()},
        fitted=lambda name: load_fitted(store.path(fits[name], fit.FILE)),
        scores={name: classify.read(store, ref) for name, ref in inputs.all(classify.STAGE).items()},
        splits={name: target.read(store, ref) for name, ref in splits.items()},
        test_split=test_split,
        digests={name: ref.digest for name, ref in named.items()},
        fit_digests={name: ref.digest for name, ref in fits.items()},
    )  # fmt: skip


STAGE = Stage("report", 13, run, "Write the report", jobs)
