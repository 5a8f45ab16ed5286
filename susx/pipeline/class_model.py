"""Stage ``class-model``: what names, and a pool where there is one, tell of the classes before a folder is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from susx.methods import WhitenedPrototypes, parameters
from susx.pipeline import encode_folder, pool, pool_statistics, text_classifier
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import POOL
from susx.pipeline.parameters import EncoderKey, Params
from susx.pipeline.retrieval import Retrieving, open_backend, retrieving
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job
from susx.store.image_rows import ImageRows
from susx.types import Json

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from susx.features.feature_set import Split

__all__ = ["FILE", "STAGE", "model_jobs", "run"]

FILE = "classes.safetensors"

_BLOCK = 65_536
"""Rows of a pool in memory at once."""


class _Params(Params):
    classes: tuple[str, ...]
    method: str
    version: int
    hyper_parameters: dict[str, Json]
    per_class: int
    """Images of the pool that support a class."""
    encoder: EncoderKey
    backend: Json
    """Identity of the pool that was read; None where there is none."""


def model_jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job; without a pool the folder's own images stand in for it."""
    method = plan.headline.method
    inputs = [
        done.one(text_classifier.STAGE),
        *done.all(pool_statistics.STAGE).values(),
        *done.all(pool.STAGE).values(),
    ]
    if not done.all(pool_statistics.STAGE):
        inputs += done.all(encode_folder.STAGE).values()
    params = _Params(
        classes=plan.classes,
        method=method.name,
        version=method.version,
        hyper_parameters=parameters(method),
        per_class=plan.profile.per_class,
        encoder=plan.encoder,
        backend=plan.backend,
    )
    return [STAGE.job(plan, inputs, params=params, execution=retrieving(plan))]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``classes.safetensors``; the classes are in the order of the list."""
    import torch

    from susx.labelling.model import ClassModel

    params, inputs = _Params.of(job), Artefacts.of(job)
    prompts = inputs.one(text_classifier.STAGE)
    text, scale = text_classifier.load(store, prompts, params.classes)
    gathered = inputs.find(pool_statistics.STAGE)
    if gathered is None:
        facts = encode_folder.read_facts(store, tuple(inputs.all(encode_folder.STAGE).values()))
        usable = sorted(digest for digest, reason in facts.items() if not reason)
        known = ImageRows(store, params.encoder.digest, params.encoder.precision).look(usable)
        model = ClassModel.of_names(text, scale, torch.from_numpy(known.rows[known.known]))
    else:
        from susx.methods import Evidence

        statistics = pool_statistics.load(store, gathered, prompts, params.classes)
        backend = open_backend(
            Retrieving.of(job), store, inputs.find(pool.STAGE), params.backend, params.encoder
        )
        support = _support(text, scale, backend.feature_parts(), params.per_class)
        evidence = Evidence(
            text, scale, support.features, support.labels, class_names=params.classes,
            encoder=params.encoder.model, encoder_digest=params.encoder.digest, pool=statistics,
        )  # fmt: skip
        state = WhitenedPrototypes(**params.hyper_parameters).fit(evidence)
        model = ClassModel(
            text,
            scale,
            state.mean,
            state.matrix,
            state.prototypes,
            state.offset,
            statistics.mean,
            statistics.covariance,
        )
    (out / FILE).write_bytes(model.to_bytes())
    return {"classes": len(params.classes), "with a pool": gathered is not None}


def _support(text: Tensor, scale: float, parts: Iterable[np.ndarray], per_class: int) -> Split:
    """Return the support that a pool in memory-mapped parts gives; only the candidates of each block are held."""
    import numpy as np
    import torch

    from susx.features.pool_search import nearest_rows, support_from_pool
    from susx.methods.functional.support_choice import wanted

    candidates = []
    for part in parts:
        for start in range(0, len(part), _BLOCK):
            block = torch.from_numpy(np.array(part[start : start + _BLOCK], dtype=np.float32))
            norms = block.norm(dim=1)
            block = block[norms.isfinite() & (norms > 0)]
            if len(block):
                _, places = nearest_rows(text, block, min(len(block), wanted(per_class)))
                candidates.append(block[torch.unique(places)])
    return support_from_pool(text, scale, torch.cat(candidates), per_class)


STAGE = Stage("class-model", 3, run, "Fit the classes", outside=(POOL,))
