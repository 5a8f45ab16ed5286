"""Stage ``pool-statistics``: what methods ask of the pool that support images are chosen from.

A backend whose source holds features (index, features, demo) gives all of them. One that does not (service, urls)
leaves the candidates that were retrieved, before curation: a sample near the prompts, and the counts say so.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susx.experiment import needs_of
from susx.images.retrieve.backends import Delivers
from susx.methods import Need
from susx.pipeline import encode_images, fetch, pool, text_classifier
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import POOL
from susx.pipeline.parameters import EncoderKey, Params
from susx.pipeline.retrieval import Retrieving, open_backend, retrieving
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job, Ref
from susx.types import Json

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from susx.evaluation import Rejection
    from susx.methods.pool_statistics import PoolStatistics

__all__ = ["FILE", "STAGE", "jobs", "load", "load_rejection", "run"]

FILE = "pool.safetensors"
_REJECTION = "rejection.json"


class _Params(Params):
    encoder: EncoderKey
    whole: bool
    """Whether the backend gives the features of its whole source."""
    backend: Json
    """Identity of that source; None where the candidates stand for it."""
    named: tuple[str, ...]
    """Names that tell pictures of the classes by their captions; none where the source has no captions."""


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job, where a method asks for it and there is a pool: of the retrieved images, or the reference of generated ones."""
    if not plan.reads_pool or Need.POOL not in needs_of(plan.trials):
        return []
    whole = Delivers.WHOLE in plan.retrieval.delivers
    encoded = done.all(encode_images.STAGE)
    retrieved = [encoded[images.name] for images in done.all(fetch.STAGE).values()]
    inputs = done.all(pool.STAGE).values() if whole else retrieved
    searched = [hint.search_name for hint in plan.dataset.hints.values() if hint.search_name]
    aliases = [alias for said in plan.aliases.values() for alias in said]
    captioned = whole and Delivers.CAPTIONS in plan.retrieval.delivers
    params = _Params(
        encoder=plan.encoder, whole=whole, backend=plan.backend if whole else None,
        named=tuple(sorted({*plan.classes, *searched, *aliases})) if captioned else (),
    )  # fmt: skip
    return [
        STAGE.job(plan, [done.one(text_classifier.STAGE), *inputs], params=params, execution=retrieving(plan))
    ]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``pool.safetensors``, gathered in one pass over memory-mapped parts; classes in the order of the prompts' rows.

    Raises:
        InputError: no row of the pool can be used.
    """
    from susx.features.pool_statistics import gather_pool_statistics, save_pool_statistics

    rejection = None

    params, inputs = _Params.of(job), Artefacts.of(job)
    prompts = inputs.one(text_classifier.STAGE)
    text, scale = text_classifier.load(store, prompts, text_classifier.class_names(store, prompts))
    parts: Iterator[np.ndarray]
    if params.whole:
        backend = open_backend(
            Retrieving.of(job), store, inputs.find(pool.STAGE), params.backend, params.encoder
        )
        parts = backend.feature_parts()
    else:
        parts = _candidates(store, inputs)
    statistics = gather_pool_statistics(text, scale, parts, params.encoder.digest)
    statistics.check(params.encoder.digest, statistics.text)  # refuses a pool of which no row can be used
    if params.whole and params.named:
        rejection = _rejection(backend.captioned_sample(), text, params.named)
    save_pool_statistics(out / FILE, statistics)
    if rejection is not None:
        (out / _REJECTION).write_text(json.dumps(dataclasses.asdict(rejection)), encoding="utf-8")
    return {"images": statistics.count, "left out": statistics.skipped, "whole pool": params.whole}


def _rejection(
    sample: tuple[np.ndarray, list[str | None]], text: Tensor, names: Sequence[str]
) -> Rejection | None:
    import torch

    from susx.evaluation import estimate_rejection, names_a_class

    features, captions = sample
    norms = (features**2).sum(axis=1) ** 0.5
    usable = torch.from_numpy((norms > 0) & (norms < float("inf")))
    scores = (torch.from_numpy(features) @ text.T).amax(dim=1) / torch.from_numpy(norms)
    return estimate_rejection(scores[usable], names_a_class(captions, names)[usable])


def load_rejection(store: ArtefactStore, ref: Ref | None) -> Rejection | None:
    """Return what the pool tells of images that are none of the classes; None where it tells nothing."""
    from susx.evaluation import Rejection

    if ref is None or not (path := store.path(ref, _REJECTION)).is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    curves: dict[str, Any] = {name: tuple(found.pop(name)) for name in ("thresholds", "let_in", "kept")}
    return Rejection(**curves, **found)


def _candidates(store: ArtefactStore, inputs: Artefacts) -> Iterator[np.ndarray]:
    from safetensors.torch import load_file

    for ref in inputs.all(encode_images.STAGE).values():
        yield load_file(store.path(ref, encode_images.FILE))["image"].numpy()


def load(store: ArtefactStore, ref: Ref, prompts: Ref, classes: Sequence[str]) -> PoolStatistics:
    """Return the statistics with their classes in the order of ``classes``."""
    import torch

    from susx.features.pool_statistics import load_pool_statistics

    place = {name: row for row, name in enumerate(text_classifier.class_names(store, prompts))}
    statistics = load_pool_statistics(store.path(ref, FILE))
    return statistics.of_classes(torch.tensor([place[name] for name in classes]))


STAGE = Stage("pool-statistics", 3, run, "Gather statistics of the pool", jobs, outside=(POOL,))
