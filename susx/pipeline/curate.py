"""Stage ``curate``: from the candidates of all classes to the support set, every rejection with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from susx.config import CurationConfig, EncoderConfig
from susx.pipeline import encode_images, examples, fetch, generate, labelled, target, text_classifier
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.images import read_image_rows
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import ENCODER
from susx.pipeline.parameters import KnownEncoding, Params
from susx.pipeline.stage import Stage
from susx.pipeline.value import keep, load
from susx.records import SupportRow
from susx.store import ArtefactStore, Job, Ref
from susx.types import Json

if TYPE_CHECKING:
    from susx.images.support import SafetyTexts
    from susx.images.support.combine_sources import SupportFeatures

__all__ = ["STAGE", "TABLE", "jobs", "read_features", "read_rows", "run"]

TABLE = "support.parquet"


class _Params(Params):
    curation: CurationConfig
    per_class: int


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job for all classes."""
    config = plan.profile.curation
    return [
        STAGE.job(
            plan,
            [
                done.one(text_classifier.STAGE), *done.all(examples.STAGE).values(), *done.all(labelled.STAGE).values(), *done.all(generate.STAGE).values(), *done.all(fetch.STAGE).values(),
                *done.all(encode_images.STAGE).values(),
                # The target's images are compared with alone to keep their near-duplicates out.
                *(done.all(target.STAGE).values() if config.contamination else ()),
            ],
            params=_Params(curation=config, per_class=plan.profile.per_class),
            execution=KnownEncoding(encoder=plan.profile.encoder, identity=plan.encoder),
        )
    ]  # fmt: skip


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``support.parquet``, and the :class:`~susx.images.support.combine_sources.SupportFeatures` of what is kept.

    Classes are taken in the order of their names, so the order of the class list does not matter.

    Raises:
        NoSupportError: every candidate is rejected; says for what.
    """
    import torch

    from susx.images.support import write_support
    from susx.images.support.combine_sources import curate_sources

    inputs, params = Artefacts.of(job), _Params.of(job)
    text = text_classifier.read(store, inputs.one(text_classifier.STAGE))
    encoded = inputs.all(encode_images.STAGE)
    sources = [
        (read_image_rows(store, images), encode_images.read(store, encoded[name]))
        for name, images in encode_images.image_sets(inputs).items()
    ]
    splits = [target.read(store, ref) for ref in inputs.all(target.STAGE).values()]
    safety = _safety_texts(KnownEncoding.of(job).encoder) if params.curation.clip_safety else None
    rows, features = curate_sources(
        sources, dict(zip(text.names, text.rows, strict=True)), text.logit_scale,
        [word for split in splits for word in split.hashes], torch.cat([split.image for split in splits]) if splits else None,
        params.curation, params.per_class, safety=safety,
    )  # fmt: skip
    write_support(out / TABLE, rows)
    keep(out, features)
    kept = sum(row.kept for row in rows)
    return {"kept": kept, "rejected": len(rows) - kept}


def read_rows(store: ArtefactStore, ref: Ref) -> list[SupportRow]:
    """Return every candidate, kept or rejected."""
    from susx.images.support import read_support

    return read_support(store.path(ref, TABLE))


def read_features(store: ArtefactStore, ref: Ref) -> SupportFeatures:
    """Return the features of what is kept."""
    from susx.images.support.combine_sources import SupportFeatures

    return load(store, ref, SupportFeatures)


def _safety_texts(config: EncoderConfig) -> SafetyTexts:
    """Encode the sentences that the zero-shot safety rule judges by, with the encoder of the images."""
    from susx.features.encoder import load_encoder
    from susx.images.support import SAFE_TEXTS, UNSAFE_TEXTS, SafetyTexts

    encoder = load_encoder(config)
    return SafetyTexts(
        encoder.encode_texts(SAFE_TEXTS), encoder.encode_texts(UNSAFE_TEXTS), encoder.logit_scale
    )


STAGE = Stage("curate", 6, run, "Curate the support set", jobs, outside=(ENCODER,))
