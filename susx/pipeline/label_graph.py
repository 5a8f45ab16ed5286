"""The labelling of a folder: names and pool -> what is known of the classes; photographs -> features; both -> labels."""

from __future__ import annotations

import datetime
import logging
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from susx.errors import InputError
from susx.labelling import LabelRecord, LabelResult, judge
from susx.labelling.label_table import checked
from susx.pipeline import class_model, encode_folder, label, propose
from susx.pipeline.executors import Executor
from susx.pipeline.inputs import Done
from susx.pipeline.label_plan import LabelPlan
from susx.pipeline.wiring import LABEL_STAGES, check_inputs
from susx.store import ArtefactStore, Job
from susx.store.image_rows import ImageRows
from susx.types import Digest

__all__ = ["label_folder"]

logger = logging.getLogger(__name__)


def label_folder(plan: LabelPlan, executor: Executor) -> LabelResult:
    """Walk the stages and return the labels, not yet written."""
    store, build = executor.store, plan.build
    photos = plan.folder.keep(store)
    done = Done(store=store, account=executor.account)
    for stage in LABEL_STAGES.values():
        if jobs := stage.jobs(build, done):
            check_inputs(jobs)
            done = done.plus(executor.run(stage, jobs))
    jobs = encode_folder.folder_jobs(build, plan.folder, photos)
    check_inputs(jobs)
    encoded = executor.run(encode_folder.STAGE, jobs)
    done = done.plus(encoded)
    facts = encode_folder.read_facts(store, encoded)
    if all(facts.values()):
        counted = ", ".join(f"{count} {reason}" for reason, count in Counter(facts.values()).items())
        raise InputError(
            f"None of the {len(plan.folder.photos)} photographs in {plan.folder.path} can be used: {counted}. Nothing was labelled."
        )
    _mend(plan, executor.store, jobs, [digest for digest, reason in facts.items() if not reason])
    check_inputs(jobs := class_model.model_jobs(build, done))
    done = done.plus(executor.run(class_model.STAGE, jobs))
    check_inputs(jobs := label.label_jobs(build, done, plan.corrected))
    done = done.plus(executor.run(label.STAGE, jobs))
    check_inputs(jobs := propose.propose_jobs(build, done))
    proposals = propose.read(store, executor.run(propose.STAGE, jobs)[0]) if jobs else {}
    left_out = {**plan.folder.left_out}
    left_out |= {path: facts[digest] for path, digest in plan.folder.photos.items() if facts[digest]}
    by_digest = label.read_labels(store, done.one(label.STAGE)).set_index("digest", drop=False)
    paths = [path for path, digest in plan.folder.photos.items() if not facts[digest]]
    rows = by_digest.loc[[plan.folder.photos[path] for path in paths]].assign(path=paths)
    return LabelResult(
        _record(plan, left_out).with_estimate(label.read_estimate(store, done.one(label.STAGE))), checked(rows), dict(sorted(left_out.items())),
        model=class_model.read(store, done.one(class_model.STAGE)), proposals=proposals,
    )  # fmt: skip


def _mend(plan: LabelPlan, store: ArtefactStore, jobs: Sequence[Job], usable: Sequence[Digest]) -> None:
    """Encode again what the store held and lost: a damaged file of features is none, and gc takes what nobody asked for."""
    encoder = plan.build.encoder
    if ImageRows(store, encoder).look(usable).present.all():
        return
    logger.warning("the store lost features of the photographs; they are encoded again")
    for job in jobs:
        with tempfile.TemporaryDirectory() as scratch:
            encode_folder.run(job, store, Path(scratch))


def _record(plan: LabelPlan, left_out: dict[str, str]) -> LabelRecord:
    build = plan.build
    return LabelRecord(
        classes=build.classes,
        folder=str(plan.folder.path),
        encoder=build.encoder,
        store=plan.store,
        profile=build.profile.name,
        toy=build.profile.toy,
        pool=plan.pool,
        method=judge.METHOD,
        settings=plan.settings,
        versions=plan.versions,
        left_out={**Counter(left_out.values()), **plan.folder.passed_over},
        made=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    )
