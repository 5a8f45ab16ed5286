"""Stage ``fit``: one method under one tuning protocol, hyper-parameters chosen and state computed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from susx.experiment import Trial
from susx.methods import Need, Run, find_method, parameters
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["FACTS", "FILE", "run"]

FILE = "classifier.safetensors"
FACTS = "fit.json"


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``classifier.safetensors`` (method, hyper-parameters, state) and ``fit.json``."""
    from susx.experiment.fit import fit_trial
    from susx.methods.state import save_fitted
    from susx.stages.evidence import load_evidence

    params = job.params
    trial = Trial(find_method(params["method"])(**params["hyper_parameters"]), params["tuning"])
    evidence = load_evidence(store, job.inputs, params["classes"])
    result = fit_trial(trial, evidence, dataset=job.dataset, run=Run(seed=params["seed"]))
    save_fitted(out / FILE, result.fitted)
    method = result.fitted.method
    facts = {
        "method": method.name, "title": method.title, "tuning": trial.tuning if method.axes else "",
        "hyper_parameters": parameters(method), "is_zero_shot": method.is_zero_shot,
        "uses_support": Need.SUPPORT in method.needs, "search": dataclasses.asdict(result.choice),
    }  # fmt: skip
    (out / FACTS).write_text(json.dumps(facts, indent=1, sort_keys=True, default=str), encoding="utf-8")
    return dict(method.values())
