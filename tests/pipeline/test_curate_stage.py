"""The stage ``curate``: sources that deliver other features than each other."""

from __future__ import annotations

import random

import pytest
import torch

from susx.config import CurationConfig, EncoderConfig
from susx.features.encoded import EncodedImages
from susx.features.identity import identify_encoder
from susx.images.support import read_support
from susx.naming.text_classifier import TextClassifier
from susx.pipeline import curate, encode_images, fetch, generate, text_classifier
from susx.pipeline.executors import InlineExecutor
from susx.pipeline.images import write_image_rows
from susx.pipeline.plan import plan_build
from susx.pipeline.stage import Stage, execute
from susx.pipeline.value import keep
from susx.records import SupportRow
from susx.testing.world import new_world


def artefact(world, stage: Stage, subject: str, write):
    """Store what ``write(folder)`` writes as an artefact of a stage."""
    from susx.store import Job

    def run(job, store, out):
        write(out)
        return {}

    return execute(Stage(stage.name, 1, run, ""), Job(stage.name, 1, "small", subject), world.store).ref


TINY = EncoderConfig(model="susx-tiny")


@pytest.mark.parametrize("with_patches", [{"fetch"}, {"generate"}, {"fetch", "generate"}])
def test_patches_from_one_source_only(tmp_path, with_patches):
    """Patches that one of two sources lacks are left out; with both, every kept row has its own, empty classes or not."""
    world = new_world(tmp_path)
    plan = plan_build(world.options)
    names = ["banded", "grid"]
    classifier = TextClassifier(tuple(names), torch.eye(len(names), 8), 10.0)
    refs, expected = [artefact(world, text_classifier.STAGE, "", lambda out: keep(out, classifier))], {}
    generator = torch.Generator().manual_seed(0)
    for stage in (generate.STAGE, fetch.STAGE):
        for name, count in (("banded", 3), ("grid", 0)):
            rows = [
                SupportRow(
                    name, f"images/{n}.png", f"{stage.name}{n}", "retrieved", f"a {stage.name} {name}", width=64,
                    height=64, phash=f"{random.Random(stage.name + str(n)).getrandbits(64):016x}", rejected="dead-link" if n == 1 else "",
                )
                for n in range(count)
            ]  # fmt: skip
            kept = [row for row in rows if row.kept]
            tensors = {
                "image": torch.nn.functional.normalize(torch.randn(len(kept), 8, generator=generator), dim=1)
            }
            if stage.name in with_patches:
                tensors["patches"] = torch.randn(len(kept), 4 if kept else 0, 8, generator=generator)
                expected |= dict(zip([row.digest for row in kept], tensors["patches"], strict=True))
            images = artefact(world, stage, name, lambda out, rows=rows: write_image_rows(out, rows))
            refs += [
                images,
                artefact(
                    world, encode_images.STAGE, images.name,
                    lambda out, tensors=tensors: keep(out, EncodedImages(**tensors)),
                ),
            ]  # fmt: skip
    job = curate.STAGE.job(
        plan, refs, params=curate._Params(curation=CurationConfig(duplicate_cosine=1.0, phash_distance=0), per_class=9),
        execution=curate.KnownEncoding(encoder=TINY, identity=identify_encoder(TINY).id),
    )  # fmt: skip
    (ref,) = InlineExecutor(world.store).run(curate.STAGE, [job])
    kept = [row for row in read_support(world.store.path(ref, curate.TABLE)) if row.kept]
    features = curate.read_features(world.store, ref)
    assert len(kept) == 4 == len(features.image)
    if len(with_patches) == 2:
        assert torch.equal(features.patches, torch.stack([expected[row.digest] for row in kept]))
    else:
        assert features.patches is None
