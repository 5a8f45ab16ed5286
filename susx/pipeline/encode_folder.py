"""Stage ``encode-folder``: the photographs of a folder to features, each file encoded once in its life, whatever it is called."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from susx.encoder_id import EncoderId
from susx.errors import SourceChanged
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.label_parts import Folder, read_photos
from susx.pipeline.outside import ENCODER
from susx.pipeline.parameters import Encoding, Params
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job, Ref, digest_json
from susx.store.image_rows import ImageRows
from susx.types import Digest, Json

__all__ = ["STAGE", "Facts", "folder_jobs", "read_facts", "run"]

FILE = "images.json"

_SHARD = 256
"""Photographs worth a task of their own."""
_MOST_SHARDS = 48

Facts = Mapping[Digest, str]
"""Digest -> reason why a photograph cannot be used, "" where it can."""


class _Params(Params):
    content: Digest
    """Of the photographs' own digests."""
    shard: int
    shards: int
    encoder: EncoderId


class _Reading(Encoding):
    photos: str
    """Name of the list that says where they lie."""


def folder_jobs(plan: BuildPlan, folder: Folder, photos: str) -> list[Job]:
    """One job a share of the photographs; which share a photograph belongs to, its digest says."""
    shards = max(1, min(_MOST_SHARDS, len(folder.digests) // _SHARD))
    return [
        STAGE.job(
            plan, subject=f"{shard + 1} of {shards}",
            params=_Params(
                content=digest_json(_share(folder.digests, shard, shards)), shard=shard, shards=shards, encoder=plan.encoder
            ),
            execution=_Reading(encoder=plan.profile.encoder, photos=photos),
        )
        for shard in range(shards)
    ]  # fmt: skip


def _share(digests: Sequence[Digest], shard: int, shards: int) -> list[Digest]:
    return [digest for digest in digests if int(digest[:8], 16) % shards == shard]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``images.json``: digest -> why the photograph cannot be used, "" where it can. Features go to ``ImageRows``."""
    params, reading = _Params.of(job), _Reading.of(job)
    where = read_photos(store, reading.photos)
    digests = _share(sorted(where), params.shard, params.shards)
    rows = ImageRows(store, params.encoder)
    seen = rows.look(digests)
    missing = [digest for digest, is_known in zip(digests, seen.present, strict=True) if not is_known]
    # Encoded by another command, which needs no hash.
    unhashed = [
        at
        for at, (is_known, word) in enumerate(zip(seen.present, seen.hashes, strict=True))
        if is_known and not word
    ]
    facts = dict.fromkeys(digests, "")
    encoded = 0
    if unhashed:
        from susx.labelling.encode_photographs import Photo, hash_photos

        photos = [Photo(where[digests[at]], digests[at]) for at in unhashed]
        block = hash_photos(photos, seen.rows[unhashed], max(2, reading.encoder.workers))
        rows.add(block.digests, block.features, block.hashes)
        facts |= block.reasons
    if missing:
        from susx.features.encoder import load_encoder
        from susx.labelling.encode_photographs import Photo, encode_photos

        encoder = load_encoder(reading.encoder)
        if (
            encoder.identity.as_json() != params.encoder.as_json()
        ):  # rows outlive the artefact: checked before there are any
            raise SourceChanged.of("the encoder", job.stage, job.subject)
        for block in encode_photos(encoder, [Photo(where[digest], digest) for digest in missing]):
            rows.add(block.digests, block.features, block.hashes)
            facts |= block.reasons
            encoded += len(block.digests)
        rows.merge()
    (out / FILE).write_text(json.dumps(facts, indent=0), encoding="utf-8")
    reasons = Counter(reason for reason in facts.values() if reason)
    return {"images": len(facts) - reasons.total(), "encoded": encoded, **reasons}


def read_facts(store: ArtefactStore, refs: Sequence[Ref]) -> dict[Digest, str]:
    """Return digest -> reason of all photographs of a folder."""
    facts: dict[Digest, str] = {}
    for ref in refs:
        facts |= json.loads(store.path(ref, FILE).read_text(encoding="utf-8"))
    return facts


STAGE = Stage("encode-folder", 1, run, "Encode photographs", device=True, outside=(ENCODER,))
