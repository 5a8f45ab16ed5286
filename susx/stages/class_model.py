"""Stage ``class-model``: what names, and a pool where there is one, tell of the classes before a folder is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from susx.methods import WhitenedPrototypes, parameters
from susx.stages import encode_folder, pool, pool_statistics, text_classifier
from susx.stages.build_plan import BuildPlan
from susx.stages.done import Artefacts, Done
from susx.stages.outside import POOL
from susx.stages.parameters import EncoderKey, Params
from susx.stages.retrieval import Retrieving, open_backend, retrieving
from susx.stages.stage import Stage
from susx.store import ArtefactStore, Job
from susx.store.image_rows import ImageRows
from susx.types import Json

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

__all__ = ["FILE", "STAGE", "model_jobs", "run"]

FILE = "classes.safetensors"


class _Params(Params):
    classes: tuple[str, ...]
    method: str
    version: int
    hyper_parameters: dict[str, Json]
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
        chosen = statistics.rows >= 0
        labels = torch.arange(len(chosen))[:, None].expand_as(chosen)[chosen]
        evidence = Evidence(
            text, scale, _rows(backend.feature_parts(), statistics.rows[chosen]), labels, class_names=params.classes,
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


def _rows(parts: Iterable[np.ndarray], places: Tensor) -> Tensor:
    """Return rows of memory-mapped parts by their places in the whole, unit rows in float32."""
    import numpy as np
    import torch

    wanted = places.numpy()
    rows: list[tuple[np.ndarray, np.ndarray]] = []
    start = 0
    for part in parts:
        here = np.nonzero((wanted >= start) & (wanted < start + len(part)))[0]
        rows.append((here, np.asarray(part[wanted[here] - start], dtype=np.float32)))
        start += len(part)
    order = np.argsort(np.concatenate([here for here, _ in rows]), kind="stable")
    return torch.nn.functional.normalize(
        torch.from_numpy(np.concatenate([values for _, values in rows])[order]), dim=-1
    )


STAGE = Stage("class-model", 1, run, "Fit the classes", outside=(POOL,))
