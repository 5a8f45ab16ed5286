"""The pipeline: class names -> prompts -> images -> features -> support -> classifiers -> report.

``build`` is walked by whatever executor it is given: one that works, or one that only looks what is stale. What there is
to do at a stage, its own file says.
"""

from __future__ import annotations

from susx.pipeline import classify, curate, encode_images, fit, package, report, text_classifier
from susx.pipeline.build_plan import BuildPlan, BuildResult
from susx.pipeline.executors import Executor
from susx.pipeline.inputs import Done
from susx.pipeline.wiring import STAGES, check_inputs

__all__ = ["build"]


def build(plan: BuildPlan, executor: Executor) -> BuildResult:
    """Walk the pipeline; a stage without jobs does not apply."""
    done = Done(store=executor.store, account=executor.account)
    for stage in STAGES.values():
        if jobs := stage.jobs(plan, done):
            check_inputs(jobs)
            done = done.plus(executor.run(stage, jobs))
    return BuildResult(
        text=done.one(text_classifier.STAGE),
        support=done.one(curate.STAGE),
        classifiers=done.all(fit.STAGE),
        logits=done.all(classify.STAGE),
        package=done.one(package.STAGE),
        report=done.one(report.STAGE),
        images=encode_images.image_sets(done),
    )
