"""Stage ``pool-statistics``: what methods ask of the pool that support images are chosen from.

A backend whose source holds features (index, features, demo) gives all of them. One that does not (service, urls)
leaves the candidates that were retrieved, before curation: a sample near the prompts, and the counts say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from susx.encoder_id import EncoderId
from susx.experiment import asks_pool, needs_of
from susx.images.retrieve.backends import Delivers
from susx.images.retrieve.backends.capabilities import GivesCaptionedSample, GivesParts
from susx.methods import Need
from susx.pipeline import encode_images, fetch, pool, text_classifier
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import POOL
from susx.pipeline.parameters import Params
from susx.pipeline.retrieval import Retrieving, open_backend, retrieving
from susx.pipeline.stage import Stage
from susx.pipeline.value import keep, load
from susx.store import ArtefactStore, Job, Ref
from susx.store.values import read_value, write_value
from susx.types import Json

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from susx.evaluation import Rejection
    from susx.methods.pool_statistics import PoolStatistics

__all__ = ["STAGE", "jobs", "read", "read_rejection", "run"]

_REJECTION = "rejection.safetensors"


class _Params(Params):
    encoder: EncoderId
    whole: bool
    """Whether the backend gives the features of its whole source."""
    backend: Json
    """Identity of that source; None where the candidates stand for it."""
    named: tuple[str, ...]
    """Names that tell pictures of the classes by their captions; none where the source has no captions."""


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job, where a method asks for it and there is a pool: of the retrieved images, or the reference of generated ones.

    An index that came without its features is refused where a method cannot do without them; where methods only read the
    statistics the candidates stand for it.
    """
    if not plan.reads_pool or not any(asks_pool(trial, "retrieve" in plan.sources) for trial in plan.trials):
        return []
    whole = Delivers.WHOLE in plan.retrieval.delivers
    if Need.POOL not in needs_of(plan.trials):
        whole = whole and plan.retrieval.holds_features
    encoded = done.all(encode_images.STAGE)
    retrieved = [encoded[images.name] for images in done.all(fetch.STAGE).values()]
    inputs = done.all(pool.STAGE).values() if whole else retrieved
    searched = [hint.search_name for hint in plan.dataset.hints.values() if hint.search_name]
    aliases = [alias for by_alias in plan.aliases.values() for alias in by_alias]
    captioned = whole and Delivers.CAPTIONS in plan.retrieval.delivers
    params = _Params(
        encoder=plan.encoder, whole=whole, backend=plan.backend if whole else None,
        named=tuple(sorted({*plan.classes, *searched, *aliases})) if captioned else (),
    )  # fmt: skip
    return [
        STAGE.job(plan, [done.one(text_classifier.STAGE), *inputs], params=params, execution=retrieving(plan))
    ]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write the :class:`~susx.methods.pool_statistics.PoolStatistics`, gathered in one pass over memory-mapped parts; classes as in the text classifier.

    Raises:
        InputError: no row of the pool can be used.
    """
    from susx.features.gather_pool import gather_pool_statistics

    rejection = None

    params, inputs = _Params.of(job), Artefacts.of(job)
    text = text_classifier.read(store, inputs.one(text_classifier.STAGE))
    parts: Iterator[np.ndarray]
    if params.whole:
        backend = open_backend(
            Retrieving.of(job), store, inputs.find(pool.STAGE), params.backend, params.encoder
        )
        assert isinstance(backend, GivesParts)
        parts = backend.feature_parts()
    else:
        parts = _candidates(store, inputs)
    statistics = gather_pool_statistics(text.rows, text.logit_scale, parts, params.encoder.digest)
    statistics.check(params.encoder.digest, statistics.text)  # refuses a pool of which no row can be used
    if params.whole and params.named:
        assert isinstance(backend, GivesCaptionedSample)
        rejection = _rejection(backend.captioned_sample(), text.rows, params.named)
    keep(out, statistics)
    if rejection is not None:
        write_value(out / _REJECTION, rejection)
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


def read_rejection(store: ArtefactStore, ref: Ref | None) -> Rejection | None:
    """Return what the pool tells of images that are none of the classes; None where it tells nothing."""
    from susx.evaluation import Rejection

    if ref is None or not (path := store.path(ref, _REJECTION)).is_file():
        return None
    return read_value(path, Rejection)


def _candidates(store: ArtefactStore, inputs: Artefacts) -> Iterator[np.ndarray]:
    for ref in inputs.all(encode_images.STAGE).values():
        yield encode_images.read(store, ref).image.numpy()


def read(store: ArtefactStore, ref: Ref) -> PoolStatistics:
    """Return the statistics, their classes in the order of the text classifier."""
    from susx.methods.pool_statistics import PoolStatistics

    return load(store, ref, PoolStatistics)


STAGE = Stage("pool-statistics", 5, run, "Gather statistics of the pool", jobs, outside=(POOL,))
