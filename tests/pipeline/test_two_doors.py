"""What is measured is what is shipped: a build, ``evaluate`` and the Python interface choose, fit and answer alike."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from susx.config import EncoderConfig
from susx.demo.pool_index import write_pool_index
from susx.demo.textures import render
from susx.encoder_id import EncoderId
from susx.errors import RetrievalError
from susx.experiment.estimator import FeatureClassifier
from susx.experiment.evaluate_features import evaluate_features
from susx.experiment.of_build import labelled_features
from susx.features.encoder import load_encoder
from susx.features.feature_set import FeatureSet, Split
from susx.images.support import count_reasons, read_support
from susx.methods import ImageFeatures
from susx.methods.state import load_fitted
from susx.pipeline import classify, curate, fit, pool_statistics, target, text_classifier
from susx.store import Ref
from susx.testing.world import CLASSES, World, new_world

PER_CLASS = 4
OTHERS = ["swirly", "bubbly", "striped", "knitted"]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features of 160 pictures of eight textures, four of them the classes, and some pictures twice."""
    folder = tmp_path_factory.mktemp("pool")
    names = [*CLASSES, *OTHERS]
    pictures = [Image.fromarray(render(names[n % 8], "web", "pool", n // 8)) for n in range(160)]
    rows = load_encoder(EncoderConfig(model="susx-tiny")).encode_images([*pictures, *pictures[:8]])
    np.save(folder / "features.npy", rows.numpy())
    return folder


@pytest.fixture(scope="module")
def built(pool: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A build that searches those features; one sentence a class, so that its query is its row of the text classifier."""
    world = new_world(tmp_path_factory.mktemp("world"))
    world.options = world.options.__class__(
        str(world.yaml),
        per_class=PER_CLASS,
        store=str(world.folder / "store"),
        settings=(
            "retrieval.backend=features",
            f"retrieval.folder={pool}",
            "prompts.classify=single",
            "tuning=[fixed]",
        ),
    )
    world.build()
    return world


@pytest.fixture(scope="module")
def features(built: World) -> FeatureSet:
    """The same prompts and target images as feature files hold them."""
    text = text_classifier.read(built.store, built.result.text).of(CLASSES)
    test, labels = labelled_features(target.read(built.store, _target(built, "test")), CLASSES)
    return FeatureSet(
        tuple(CLASSES),
        text.rows,
        text.logit_scale,
        source="memory",
        encoder=EncoderId("susx-tiny"),
        test=Split(test.pooled, labels),
    )


def _target(world: World, split: str):
    planned = {(e.job.stage, e.job.subject): e.job for e in world.plan()}
    job = planned[target.STAGE.name, split]
    outcome = world.store.look(job)
    assert outcome is not None
    return Ref(job.stage, job.subject, job.key, outcome.digest)


@pytest.mark.parametrize("method", ["zero_shot", "tip_adapter", "tip_x", "whitened_prototypes"])
def test_a_build_and_the_python_interface_fit_the_same(
    built: World, features: FeatureSet, pool: Path, method: str
) -> None:
    """The same rows of the pool, the same state to 1e-6, the same logits."""
    reference = built.result.classifiers[f"{method}/fixed"]
    fitted = load_fitted(built.store.path(reference, fit.FILE))
    other = FeatureClassifier(
        features.text.numpy(), method=method, class_names=CLASSES, logit_scale=features.logit_scale,
        **{name: value for name, value in fitted.method.values().items()},
    ).fit(pool=np.load(pool / "features.npy"), per_class=PER_CLASS)  # fmt: skip
    support = curate.read_features(built.store, built.result.support).image
    if method == "tip_adapter":
        assert support is not None
        keys = {tuple(np.round(row, 5)) for row in support.numpy()}
        assert len(support) == len(CLASSES) * PER_CLASS
        assert keys <= {tuple(np.round(row, 5)) for row in np.load(pool / "features.npy")}
    for name, value in vars(fitted.state).items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(getattr(other.fitted.state, name), value, atol=1e-6, rtol=1e-6)
    assert features.test is not None
    query = ImageFeatures(features.test.features)
    logits = classify.read(built.store, built.result.logits[f"{method}/fixed"]).test
    torch.testing.assert_close(fitted.logits(query), logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(other.fitted.logits(query), logits, atol=1e-4, rtol=1e-5)


def test_evaluate_measures_what_the_build_measured(built: World, features: FeatureSet, pool: Path) -> None:
    """Each method's top-1 of ``susx evaluate --pool`` is that of the build's logits."""
    rows = evaluate_features(features, pool=pool, per_class=PER_CLASS, tuning=("fixed",)).rows
    accuracies = {row.method: row.top1 for row in rows}
    compared = 0
    for trial, reference in built.result.logits.items():
        scores = classify.read(built.store, reference)
        assert accuracies[trial.split("/")[0]] == pytest.approx(scores.correct / len(scores.test_labels))
        compared += 1
    assert compared >= 4


def test_the_support_is_not_empty_and_duplicates_are_named(built: World) -> None:
    """Of the pictures that the pool holds twice one is kept, and the table says why the other is not."""
    rows = read_support(built.store.path(built.result.support, curate.TABLE))
    counts = count_reasons(rows, CLASSES)
    assert all(counts[name]["kept"] == PER_CLASS for name in CLASSES)
    assert any(row.rejected == "duplicate" for row in rows)


@pytest.mark.parametrize("method", ["tip_x", "tip_adapter"])
def test_a_method_that_only_reads_the_pool_is_gated_alike(
    method: str, built: World, features: FeatureSet, tmp_path: Path
) -> None:
    """A profile of such a method alone gathers statistics too: the trust and the top-1 of ``evaluate --pool``."""
    world, pool = new_world(tmp_path), tmp_path / "pool"
    pool.mkdir()
    pictures = [Image.fromarray(render(OTHERS[n % 4], "web", "pool", n // 4)) for n in range(160)]
    rows_of_pool = load_encoder(EncoderConfig(model="susx-tiny")).encode_images(pictures)
    np.save(pool / "features.npy", rows_of_pool.numpy())
    world.options = replace(built.options, store=str(tmp_path / "store"))
    world.change(f"retrieval.folder={pool}", f"methods={{{method}: {{}}}}", f"headline={method}/fixed")
    world.build()
    fitted = load_fitted(world.store.path(world.result.classifiers[f"{method}/fixed"], fit.FILE))
    other = FeatureClassifier(
        features.text.numpy(), method=method, class_names=CLASSES, logit_scale=features.logit_scale
    ).fit(pool=np.load(pool / "features.npy"), per_class=PER_CLASS)
    assert fitted.state.pool_trust == pytest.approx(other.fitted.state.pool_trust, abs=1e-6)
    assert fitted.state.pool_trust < 1, "where all is trusted this test tells nothing"
    rows = evaluate_features(features, pool=pool, per_class=PER_CLASS, tuning=("fixed",)).rows
    scores = classify.read(world.store, world.result.logits[f"{method}/fixed"])
    top1 = next(row.top1 for row in rows if row.method == method)
    assert top1 == pytest.approx(scores.correct / len(scores.test_labels))


def _copy_of_the_index(folder: Path) -> Path:
    """Return an index as it is often handed on: without the features that it was made of."""
    index = folder / "index"
    write_pool_index(index, _encode_jpegs, n=240)
    shutil.rmtree(index / "img_emb")
    return index


def _encode_jpegs(images: Sequence[bytes]) -> np.ndarray:
    pictures = [Image.open(io.BytesIO(image)) for image in images]
    return load_encoder(EncoderConfig(model="susx-tiny")).encode_images(pictures).numpy()


def test_an_index_without_its_features_is_judged_by_the_candidates(tmp_path: Path) -> None:
    """Methods that only read statistics are fitted with those of what was retrieved; one that needs the whole says what to copy."""
    world, index = new_world(tmp_path), _copy_of_the_index(tmp_path)
    world.change(
        "retrieval.backend=index", f"retrieval.folder={index}", "methods={tip_x: {}}", "headline=tip_x/fixed", evaluate=False
    )  # fmt: skip
    world.build()
    assert (pool_statistics.STAGE.name, "") in {(e.job.stage, e.job.subject) for e in world.plan()}
    fitted = load_fitted(world.store.path(world.result.classifiers["tip_x/fixed"], fit.FILE))
    assert 0 <= fitted.state.pool_trust <= 1
    world.change("methods={whitened_prototypes: {}}", "headline=whitened_prototypes/fixed")
    with pytest.raises(RetrievalError, match="has no img_emb"):
        world.build()
