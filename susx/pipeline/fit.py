"""Stage ``fit``: one method under one tuning protocol, hyper-parameters chosen and state computed."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from susx.config import EncoderConfig
from susx.device import find_device
from susx.experiment import Trial
from susx.methods import Need, Run, find_method, parameters
from susx.pipeline import curate, pool_statistics, target, text_classifier
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import ENCODER
from susx.pipeline.parameters import EncoderKey, Execution, Params
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job, Ref
from susx.types import Json

if TYPE_CHECKING:
    from susx.methods.packaged import Packaged

__all__ = ["FACTS", "FILE", "STAGE", "jobs", "read_packaged", "run"]

FILE = "classifier.safetensors"
FACTS = "fit.json"


class _Params(Params):
    method: str
    version: int
    """Of the method's code; the stage's own is that of fitting at large."""
    tuning: Literal["fixed", "support", "val"]
    classes: tuple[str, ...]
    seed: int
    hyper_parameters: dict[str, Json]
    encoder: EncoderKey | None
    """Where the method looks into it; features otherwise say all that a method sees."""


class _Fitting(Execution):
    encoder: EncoderConfig
    identity: EncoderKey
    """To refuse weights of another one by name; what it makes of text and images is in the inputs."""


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job a trial; the validation split is seen by those tuned on it, and by no other."""
    evidence, found = [done.one(text_classifier.STAGE), done.one(curate.STAGE)], []
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
        # Images that were drawn came from no pool, and where validation images judge nobody asks what it says of them.
        reads = trial.method.reads if "retrieve" in plan.sources and not tuned else frozenset()
        if Need.POOL in trial.method.needs | reads:
            inputs += done.all(pool_statistics.STAGE).values()
        found.append(STAGE.job(plan, inputs, subject=trial.name, params=params, execution=fitting))
    return found


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``classifier.safetensors`` (method, hyper-parameters, state) and ``fit.json``."""
    from susx.experiment.fit import fit_trial
    from susx.features.encoder import load_encoder
    from susx.features.text_tower import TextTower
    from susx.methods.packaged import packaged
    from susx.methods.state import save_fitted
    from susx.pipeline.evidence import load_evidence

    params, inputs = _Params.of(job), Artefacts.of(job)
    trial = Trial(find_method(params.method)(**params.hyper_parameters), params.tuning)
    evidence = load_evidence(
        store, inputs.one(text_classifier.STAGE), inputs.one(curate.STAGE), params.classes,
        validation=inputs.find(target.STAGE), pool=inputs.find(pool_statistics.STAGE),
        encoder=_Fitting.of(job).identity,
    )  # fmt: skip
    encoder = _Fitting.of(job).encoder
    if Need.TEXT_TOWER in trial.method.needs:
        evidence = dataclasses.replace(evidence, text_tower=TextTower(load_encoder(encoder)))
    checkpoints = out / "training"
    how = Run(params.seed, _device(trial, encoder.device), checkpoints)
    result = fit_trial(trial, evidence, dataset=job.dataset, run=how)
    shutil.rmtree(checkpoints, ignore_errors=True)
    save_fitted(out / FILE, result.fitted)
    method = result.fitted.method
    facts = {
        "method": method.name, "title": method.title, "tuning": trial.tuning if method.axes else "",
        "hyper_parameters": parameters(method), "is_zero_shot": method.gives_zero_shot(result.fitted.state),
        "packaged": dataclasses.asdict(packaged(method, result.fitted.state, trial.tuning)),
        "uses_support": Need.SUPPORT in method.needs, "search": dataclasses.asdict(result.choice),
    }  # fmt: skip
    (out / FACTS).write_text(json.dumps(facts, indent=1, sort_keys=True, default=str), encoding="utf-8")
    return dict(method.values())


def _device(trial: Trial, asked: str) -> str:
    """Return where to fit: closed forms and searches are at home on the CPU, a training on the encoder's device."""
    return find_device(asked) if Need.TRAINING in trial.method.needs else "cpu"


def read_packaged(store: ArtefactStore, ref: Ref) -> Packaged:
    """Return what is said of a fit where it is packaged."""
    from susx.methods.packaged import Packaged

    facts = json.loads(store.path(ref, FACTS).read_text(encoding="utf-8"))
    return Packaged(**facts["packaged"])


STAGE = Stage("fit", 3, run, "Fit classifiers", jobs, resumable=True, outside=(ENCODER,))
