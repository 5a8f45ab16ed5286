"""Stage ``fit``: one method under one tuning protocol, hyper-parameters chosen and state computed."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from susx.config import EncoderConfig
from susx.device import find_device
from susx.encoder_id import EncoderId
from susx.experiment import Trial, asks_pool
from susx.methods import Need, Run, find_method, parameters
from susx.pipeline import curate, pool_statistics, target, text_classifier
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import ENCODER
from susx.pipeline.parameters import Execution, Params
from susx.pipeline.stage import Stage
from susx.pipeline.value import keep, load
from susx.store import ArtefactStore, Job, Ref
from susx.types import Json

if TYPE_CHECKING:
    from susx.experiment.fit_trial import FitRecord

__all__ = ["FILE", "STAGE", "jobs", "read_record", "run"]

FILE = "classifier.safetensors"


class _Params(Params):
    method: str
    version: int
    """Of the method's code; the stage's own is that of fitting at large."""
    tuning: Literal["fixed", "support", "val"]
    classes: tuple[str, ...]
    seed: int
    hyper_parameters: dict[str, Json]
    encoder: EncoderId | None
    """Where the method looks into it; features otherwise say all that a method sees."""


class _Fitting(Execution):
    encoder: EncoderConfig
    identity: EncoderId
    """To refuse weights of another one by name; what it makes of text and images is in the inputs."""


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job a trial; the validation split is seen by those tuned on it, and by no other."""
    evidence, fits = [done.one(text_classifier.STAGE), done.one(curate.STAGE)], []
    fitting = _Fitting(encoder=plan.profile.encoder, identity=plan.encoder)
    for trial in plan.trials:
        tuned = trial.tuning == "val"
        axes = {axis.name for axis in trial.method.axes} if tuned else set()
        params = _Params(
            method=trial.method.name, version=trial.method.version, tuning=trial.tuning, classes=plan.classes,
            seed=plan.profile.seed,
            # A search over validation images replaces the values it searches.
            hyper_parameters={k: v for k, v in parameters(trial.method).items() if k not in axes},
            encoder=plan.encoder if Need.TEXT_TOWER in trial.method.needs else None,
        )  # fmt: skip
        inputs = [*evidence, *([done.all(target.STAGE)["val"]] if tuned else [])]
        if asks_pool(trial, "retrieve" in plan.sources):
            inputs += done.all(pool_statistics.STAGE).values()
        fits.append(STAGE.job(plan, inputs, subject=trial.name, params=params, execution=fitting))
    return fits


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``classifier.safetensors`` (method, hyper-parameters, state) and the :class:`~susx.experiment.fit_trial.FitRecord`."""
    from susx.experiment.fit_trial import fit_trial
    from susx.experiment.of_build import evidence_of
    from susx.features.encoder import load_encoder
    from susx.features.text_tower import TextTower
    from susx.methods.state import save_fitted

    params, inputs, fitting = _Params.of(job), Artefacts.of(job), _Fitting.of(job)
    trial = Trial(find_method(params.method)(**params.hyper_parameters), params.tuning)
    support, split, pool = (
        inputs.one(curate.STAGE),
        inputs.find(target.STAGE),
        inputs.find(pool_statistics.STAGE),
    )
    evidence = evidence_of(
        text_classifier.read(store, inputs.one(text_classifier.STAGE)),
        curate.read_rows(store, support), curate.read_features(store, support), params.classes,
        validation=target.read(store, split) if split else None, pool=pool_statistics.read(store, pool) if pool else None,
        encoder=fitting.identity,
    )  # fmt: skip
    if Need.TEXT_TOWER in trial.method.needs:
        evidence = dataclasses.replace(evidence, text_tower=TextTower(load_encoder(fitting.encoder)))
    checkpoints = out / "training"
    how = Run(params.seed, _device(trial, fitting.encoder.device), checkpoints)
    result = fit_trial(trial, evidence, dataset=job.dataset, run=how)
    shutil.rmtree(checkpoints, ignore_errors=True)
    save_fitted(out / FILE, result.fitted)
    keep(out, result.record(trial.tuning))
    return dict(result.fitted.method.values())


def _device(trial: Trial, asked: str) -> str:
    """Return where to fit: closed forms and searches are at home on the CPU, a training on the encoder's device."""
    return find_device(asked) if Need.TRAINING in trial.method.needs else "cpu"


def read_record(store: ArtefactStore, ref: Ref) -> FitRecord:
    """Return what is told of a fit."""
    from susx.experiment.fit_trial import FitRecord

    return load(store, ref, FitRecord)


STAGE = Stage("fit", 5, run, "Fit classifiers", jobs, resumable=True, outside=(ENCODER,))
