"""Stage ``label``: the photographs of a folder together, with what people said of some of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from susx.encoder_id import EncoderId
from susx.pipeline import class_model, encode_folder
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.parameters import Params
from susx.pipeline.stage import Stage
from susx.pipeline.value import keep, load
from susx.store import ArtefactStore, Job, Ref
from susx.store.image_rows import ImageRows
from susx.types import Digest, Json

if TYPE_CHECKING:
    import pandas as pd

    from susx.methods.functional.folder_accuracy import AccuracyEstimate

__all__ = ["FILE", "STAGE", "label_jobs", "read_estimate", "read_labels", "run"]

FILE = "labels.jsonl"


class _Params(Params):
    classes: tuple[str, ...]
    method: str
    version: int
    measure: str
    distance: int
    cosine: float
    """When two photographs are near-duplicates."""
    corrected: dict[Digest, str]
    encoder: EncoderId


def label_jobs(plan: BuildPlan, done: Done, corrected: Mapping[Digest, str]) -> list[Job]:
    """One job for the whole folder."""
    from susx.labelling import judge

    rule = plan.profile.curation
    params = _Params(
        classes=plan.classes, method=judge.METHOD, version=judge.VERSION, measure=rule.duplicate_rule,
        distance=rule.phash_distance, cosine=rule.duplicate_cosine, corrected=dict(corrected), encoder=plan.encoder,
    )  # fmt: skip
    inputs = [done.one(class_model.STAGE), *done.all(encode_folder.STAGE).values()]
    return [STAGE.job(plan, inputs, params=params)]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write how right the labels may be, and ``labels.jsonl``: one row per file's content, sorted by digest, with the digest in place of a path."""
    import pandas as pd

    from susx.images.duplicates import NearRule
    from susx.labelling import judge
    from susx.labelling.groups import near_groups
    from susx.labelling.label_table import as_jsonl

    params, inputs = _Params.of(job), Artefacts.of(job)
    facts = encode_folder.read_facts(store, tuple(inputs.all(encode_folder.STAGE).values()))
    digests = sorted(digest for digest, reason in facts.items() if not reason)
    encoded = ImageRows(store, params.encoder).look(digests)
    rule = NearRule(params.measure, params.distance, params.cosine)  # type: ignore[arg-type]
    groups = near_groups(encoded.hashes, encoded.rows, rule)
    images = pd.DataFrame({"path": digests, "digest": digests, "group": groups})
    model = class_model.read(store, inputs.one(class_model.STAGE))
    judged = judge.label_images(model, encoded.rows, images, params.classes, params.corrected)
    frame = judged.frame
    keep(out, judged.estimate)
    (out / FILE).write_bytes(as_jsonl(frame))
    return {
        "images": len(frame),
        "groups": int(frame["group"].nunique()),
        "by_person": int(frame["by_person"].sum()),
    }


def read_labels(store: ArtefactStore, ref: Ref) -> pd.DataFrame:
    """Return the table of labels by digest."""
    from susx.labelling.label_table import from_jsonl

    path = store.path(ref, FILE)
    return from_jsonl(path.read_bytes(), str(path))


def read_estimate(store: ArtefactStore, ref: Ref) -> AccuracyEstimate:
    """Return how right the labels may be."""
    from susx.methods.functional.folder_accuracy import AccuracyEstimate

    return load(store, ref, AccuracyEstimate)


STAGE = Stage("label", 3, run, "Label the folder")
