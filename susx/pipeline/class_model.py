"""Stage ``class-model``: what names, and a pool where there is one, tell of the classes before a folder is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from susx.encoder_id import EncoderId
from susx.images.retrieve.backends.capabilities import GivesParts
from susx.methods import WhitenedPrototypes, parameters
from susx.pipeline import encode_folder, pool, pool_statistics, text_classifier
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import POOL
from susx.pipeline.parameters import Params
from susx.pipeline.retrieval import Retrieving, open_backend, retrieving
from susx.pipeline.stage import Stage
from susx.pipeline.value import keep, load
from susx.store import ArtefactStore, Job, Ref
from susx.store.image_rows import ImageRows
from susx.types import Json

if TYPE_CHECKING:
    from susx.methods.functional.folder_prototypes import InductiveFit

__all__ = ["STAGE", "model_jobs", "read", "run"]


class _Params(Params):
    classes: tuple[str, ...]
    method: str
    version: int
    hyper_parameters: dict[str, Json]
    per_class: int
    """Images of the pool that support a class."""
    encoder: EncoderId
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
    """Write the :class:`~susx.methods.functional.folder_prototypes.InductiveFit`; the classes are in the order of the list."""
    import torch

    from susx.labelling.class_model import fit_on_pool
    from susx.methods.functional.folder_prototypes import inductive_from_folder

    params, inputs = _Params.of(job), Artefacts.of(job)
    text = text_classifier.read(store, inputs.one(text_classifier.STAGE))
    ordered, gathered = text.of(params.classes), inputs.find(pool_statistics.STAGE)
    if gathered is None:
        facts = encode_folder.read_facts(store, tuple(inputs.all(encode_folder.STAGE).values()))
        usable = sorted(digest for digest, reason in facts.items() if not reason)
        encoded = ImageRows(store, params.encoder).look(usable)
        model = inductive_from_folder(
            ordered.rows, text.logit_scale, torch.from_numpy(encoded.rows[encoded.present])
        )
    else:
        row_of = {name: row for row, name in enumerate(text.names)}
        statistics = pool_statistics.read(store, gathered)
        backend = open_backend(
            Retrieving.of(job), store, inputs.find(pool.STAGE), params.backend, params.encoder
        )
        assert isinstance(backend, GivesParts)
        model = fit_on_pool(
            WhitenedPrototypes(**params.hyper_parameters), ordered.rows, text.logit_scale,
            statistics.of_classes(torch.tensor([row_of[name] for name in params.classes])), backend.feature_parts(),
            params.per_class, params.classes,
        )  # fmt: skip
    keep(out, model)
    return {"classes": len(params.classes), "with a pool": gathered is not None}


def read(store: ArtefactStore, ref: Ref) -> InductiveFit:
    """Return what is known of the classes."""
    from susx.methods.functional.folder_prototypes import InductiveFit

    return load(store, ref, InductiveFit)


STAGE = Stage("class-model", 4, run, "Fit the classes", outside=(POOL,))
