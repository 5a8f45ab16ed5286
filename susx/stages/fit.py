"""Stage ``fit``: one method under one tuning protocol, hyper-parameters chosen and state computed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["FILE", "run"]

FILE = "classifier.safetensors"


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``classifier.safetensors`` (method, hyper-parameters, state) and ``fit.json``."""
    from susx.methods import METHODS
    from susx.methods.state import save_fitted
    from susx.stages.evidence import load_evidence
    from susx.tuning import tune

    evidence = load_evidence(store, job.inputs, job.params["classes"])
    fixed = METHODS[job.params["method"]](**job.params["hyper_parameters"])
    method, result = tune(fixed, evidence, job.params["tuning"], dataset=job.dataset, seed=job.params["seed"])
    save_fitted(out / FILE, method, method.fit(evidence))
    chosen = dataclasses.asdict(method)
    facts = {"method": job.params["method"], "tuning": job.params["tuning"], "hyper_parameters": chosen}
    facts["search"] = dataclasses.asdict(result)
    (out / "fit.json").write_text(json.dumps(facts, indent=1, sort_keys=True, default=str), encoding="utf-8")
    return {name: value for name, value in chosen.items() if isinstance(value, int | float)}
