"""Stage ``curate``: from the candidates of all classes to the support set, every rejection with its reason."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from susx.config import CurationConfig, EncoderConfig
from susx.errors import NoSupportError
from susx.pipeline import encode_images, examples, fetch, generate, labelled, target, text_classifier
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.images import read_image_rows
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import ENCODER
from susx.pipeline.parameters import KnownEncoding, Params
from susx.pipeline.stage import Stage
from susx.records import SupportRow
from susx.store import ArtefactStore, Job
from susx.types import Json

if TYPE_CHECKING:
    from susx.images.support import SafetyTexts

__all__ = ["FEATURES", "STAGE", "TABLE", "jobs", "run"]

logger = logging.getLogger(__name__)

TABLE = "support.parquet"
FEATURES = "support.safetensors"


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
    """Write ``support.parquet`` (kept and rejected), ``support.safetensors`` (kept, in the table's order).

    Classes are taken in the order of their names, so the order of the class list does not matter. Features
    of a kind that only some of the sources deliver (patches: a pool of features has none) are left out.

    Raises:
        NoSupportError: every candidate is rejected; says for what.
    """
    import torch
    from safetensors.torch import load_file, save_file

    from susx.images.support import curate, write_support

    inputs, params = Artefacts.of(job), _Params.of(job)
    text = inputs.one(text_classifier.STAGE)
    names = text_classifier.class_names(store, text)
    weights, scale = text_classifier.load(store, text, names)
    rows: list[SupportRow] = []
    rows_with: dict[str, list[int]] = {}
    tensors: dict[str, list[torch.Tensor]] = {}
    encoded = inputs.all(encode_images.STAGE)
    for name, images in encode_images.image_sets(inputs).items():
        own = read_image_rows(store, images)
        features = load_file(store.path(encoded[name], encode_images.FILE))
        kept = [at for at, row in enumerate(own, len(rows)) if row.kept]
        for kind, values in features.items() if kept else ():
            rows_with.setdefault(kind, []).extend(kept)
            tensors.setdefault(kind, []).append(values)
        rows += own
    features_of_rows = torch.zeros(len(rows), weights.shape[1])
    if "image" in tensors:
        features_of_rows[rows_with["image"]] = torch.cat(tensors["image"])
    hashes: list[str] = []
    shown: list[torch.Tensor] = []
    for ref in inputs.all(target.STAGE).values():
        hashes += target.read_labels(store, ref)["phash"]
        shown.append(load_file(store.path(ref, target.FILE))["image"])
    config = params.curation
    result = curate(
        rows, features_of_rows, dict(zip(names, weights, strict=True)), scale, hashes, torch.cat(shown) if shown else None,
        config, params.per_class, safety=_safety_texts(KnownEncoding.of(job).encoder) if config.clip_safety else None,
    )  # fmt: skip
    alive = [at for at, row in enumerate(result) if row.kept]
    if result and not alive:
        raise NoSupportError(_none_left(result))
    write_support(out / TABLE, result)
    support = {}
    for kind, parts in tensors.items():
        place = {row: at for at, row in enumerate(rows_with[kind])}
        if place.keys() >= set(alive):
            support[kind] = torch.cat(parts)[[place[at] for at in alive]].contiguous()
        else:
            logger.warning("A source of images has no %s features: the support set has none.", kind)
    save_file(support, out / FEATURES)
    return {"kept": len(alive), "rejected": len(result) - len(alive)}


def _none_left(rows: Sequence[SupportRow]) -> str:
    reasons = Counter(row.rejected for row in rows)
    counts = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    example = next(row for row in rows if row.rejected == reasons.most_common(1)[0][0])
    return (
        f"None of the {len(rows)} candidate images can be used: {counts}. The first of the most frequent reason: {example.class_name}: "
        f"{example.detail or example.rejected} Change the source of images or the rule that rejects them (curation, the generator's safety checker)."
    )


def _safety_texts(config: EncoderConfig) -> SafetyTexts:
    """Encode the sentences that the zero-shot safety rule judges by, with the encoder of the images."""
    from susx.features.encoder import load_encoder
    from susx.images.support import SAFE_TEXTS, UNSAFE_TEXTS, SafetyTexts

    encoder = load_encoder(config)
    return SafetyTexts(
        encoder.encode_texts(SAFE_TEXTS), encoder.encode_texts(UNSAFE_TEXTS), encoder.logit_scale
    )


STAGE = Stage("curate", 4, run, "Curate the support set", jobs, outside=(ENCODER,))
