"""Which stages are computed again after which edit: exactly those, no more and no fewer."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

import susx.demo.embedded_encoder
from susx.pipeline import text_classifier

CLASSES = ("banded", "dotted", "grid", "woven")
FITS = (
    "zero_shot/fixed", "tip_adapter/fixed", "tip_adapter/support", "tip_adapter/val", "tip_x/fixed", "tip_x/support",
    "tip_x/val", "whitened_prototypes/fixed", "whitened_prototypes/support", "whitened_prototypes/val",
)  # fmt: skip


def each(stage, subjects):
    return {(stage, subject) for subject in subjects}


def images_of(names):
    return {f"fetch/{name}" for name in names}


def judged(world, computed):
    """Return the computed pairs without the end of the pipeline, after checking that the end follows from its inputs."""
    end = {pair for pair in computed if pair[0] in {"fit", "classify", "package", "report"}}
    assert ("report", "") in end or not end
    return computed - end, {subject for stage, subject in end if stage == "fit"}


def test_nothing_changed(world):
    """An identical second run computes nothing, and a plan says that all is fresh."""
    assert world.computed() == set()
    assert {entry.state for entry in world.plan()} == {"fresh"}


def test_alpha(world):
    """alpha touches the classifiers that use it, and not the search over validation images."""
    world.change("methods.tip_x.alpha=3")
    planned = {(e.job.stage, e.job.subject): e for e in world.plan()}
    assert planned["fit", "tip_x/fixed"].state == "stale"
    assert planned["fit", "tip_x/fixed"].reasons == ("hyper_parameters.alpha: 1.0 -> 3.0",)
    assert planned["fit", "tip_x/val"].state == "fresh"
    computed = world.computed()
    users = ("tip_x/fixed", "tip_x/support")
    assert {p for p in computed if p[0] == "fit"} == each("fit", users)
    assert computed <= each("fit", users) | each("classify", users) | {("package", ""), ("report", "")}
    assert ("classify", "tip_x/fixed") in computed


def test_add_class(world):
    """A new class costs its own images and features alone: classes share images, none takes another's."""
    world.write(classes=[*CLASSES, "zigzagged"])
    computed = world.computed()
    rest, fits = judged(world, computed)
    assert rest == (
        {("prompts", ""), ("text-classifier", ""), ("curate", ""), ("pool-statistics", "")}
        | each("encode-texts", ["zigzagged"]) | each("search", ["zigzagged"]) | each("fetch", ["zigzagged"])
        | each("encode-images", images_of(["zigzagged"])) | each("target", ["val", "test"])
    )  # fmt: skip
    assert fits == set(FITS)


def test_remove_class(world):
    """A removed class searches, fetches and encodes nothing."""
    world.write(classes=["banded", "dotted", "woven"])
    computed = world.computed()
    rest, fits = judged(world, computed)
    assert rest == (
        {("prompts", ""), ("text-classifier", ""), ("curate", ""), ("pool-statistics", "")}
        | each("target", ["val", "test"])
    )  # fmt: skip
    assert fits == set(FITS)


def test_rename_class(world):
    """A renamed class is a new one; the others keep their sentences, searches and features."""
    world.change(evaluate=False)
    world.build()
    world.write(classes=["banded", "dotted", "lattice", "woven"], reader=None)
    computed = world.computed()
    rest, _ = judged(world, computed)
    assert rest == (
        {("prompts", ""), ("text-classifier", ""), ("curate", ""), ("pool-statistics", "")}
        | each("encode-texts", ["lattice"]) | each("search", ["lattice"]) | each("fetch", ["lattice"])
        | each("encode-images", images_of(["lattice"]))
    )  # fmt: skip


def test_reorder_classes(world):
    """Another order of classes computes no image and no feature: only labels change."""
    world.write(classes=["woven", "banded", "grid", "dotted"])
    rest, fits = judged(world, world.computed())
    assert rest == set()
    assert fits == set(FITS)


def test_prompt_of_one_class(world):
    """One class's sentences touch that class alone, until the support set is chosen."""
    world.write(prompts={"grid": ["a grid of crossing lines."]})
    computed = world.computed()
    rest, _ = judged(world, computed)
    assert rest == (
        {("prompts", ""), ("curate", "")} | each("search", ["grid"]) | each("fetch", ["grid"])
        | each("encode-images", images_of(["grid"]))
    )  # fmt: skip


def test_cupl_sentence_of_one_class(world, tmp_path):
    """With CuPL sentences in the classifier too, an edited sentence encodes that class's text again, no other's."""
    sentences = {name: [f"{name} is a texture.", f"a {name} surface."] for name in CLASSES}
    (tmp_path / "cupl.json").write_text(json.dumps(sentences))
    world.write(cupl="cupl.json")
    world.change(prompts="cupl")
    world.build()
    (tmp_path / "cupl.json").write_text(
        json.dumps({**sentences, "grid": ["grid is a pattern of crossing lines."]})
    )
    computed = world.computed()
    rest, fits = judged(world, computed)
    assert rest == (
        {("prompts", ""), ("text-classifier", ""), ("curate", ""), ("pool-statistics", "")}
        | each("encode-texts", ["grid"]) | each("search", ["grid"]) | each("fetch", ["grid"])
        | each("encode-images", images_of(["grid"]))
    )  # fmt: skip
    assert fits == set(FITS)


@pytest.mark.parametrize("count", [3, 1])
def test_per_class_count(world, count):
    """More or fewer images a class ask every class's search anew; sentences and target stay."""
    world.change(per_class=count)
    rest, fits = judged(world, world.computed())
    assert rest == (
        {("curate", "")} | each("search", CLASSES) | each("fetch", CLASSES)
        | each("encode-images", images_of(CLASSES))
    )  # fmt: skip
    assert fits == set(FITS)


def test_seed(world):
    """With retrieval the seed matters for the folds of tuning alone; equal classifiers stop the cascade."""
    world.change(seed=7)
    rest, fits = judged(world, world.computed())
    assert rest == set()
    assert fits == set(FITS)


def test_weights_content(world, tmp_path, monkeypatch):
    """Other weights make every feature stale, and no sentence."""
    folder = tmp_path / "other-weights"
    shutil.copytree(susx.demo.embedded_encoder.FOLDER, folder)
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "weights.safetensors")
    for name in ("visual.proj", "text_projection"):
        weights[name] = weights[name] + 0.1 * weights[name].roll(1, 0)
    save_file(weights, folder / "weights.safetensors")
    monkeypatch.setattr(susx.demo.embedded_encoder, "FOLDER", folder)
    monkeypatch.setattr(susx.demo.embedded_encoder, "WEIGHTS", folder / "weights.safetensors")
    planned = {(e.job.stage, e.job.subject): e for e in world.plan()}
    assert any("encoder.digest" in reason for reason in planned["encode-texts", "grid"].reasons)
    computed = world.computed()
    assert ("prompts", "") not in computed
    everything = each("encode-texts", CLASSES) | each("search", CLASSES) | each("target", ["val", "test"])
    assert everything | {("pool", ""), ("text-classifier", ""), ("curate", "")} <= computed
    assert each("encode-images", images_of(CLASSES)) <= computed


def test_index_content(world):
    """A larger pool is another index: all searches are asked again, the sentences stay encoded."""
    world.change("retrieval.pool_size=260")
    computed = world.computed()
    assert {("pool", "")} | each("search", CLASSES) | each("fetch", CLASSES) <= computed
    assert not {stage for stage, _ in computed} & {"prompts", "encode-texts", "text-classifier", "target"}


def test_retrieval_backend(world, tmp_path):
    """Another backend asks every search again, and names the backend as the reason."""
    shutil.copytree(world.artefact("pool", ""), tmp_path / "index")
    world.change("retrieval.backend=index", f"retrieval.folder={tmp_path / 'index'}")
    planned = {(e.job.stage, e.job.subject): e for e in world.plan()}
    assert any(
        reason.startswith("backend.backend: demo -> index") for reason in planned["search", "grid"].reasons
    )
    computed = world.computed()
    assert each("search", CLASSES) <= computed
    assert not {stage for stage, _ in computed} & {
        "pool",
        "prompts",
        "encode-texts",
        "text-classifier",
        "target",
    }


def test_curation_rule(world):
    """A curation rule looks at images that are there: nothing is fetched or encoded."""
    world.change("curation.balance=truncate")
    rest, _ = judged(world, world.computed())
    assert rest == {("curate", "")}


def test_classifier_sentences(world):
    """Other sentences for the text classifier leave searches and images alone."""
    world.change("prompts.classify=single")
    rest, fits = judged(world, world.computed())
    assert rest == {("prompts", ""), ("text-classifier", ""), ("curate", ""), ("pool-statistics", "")} | each(
        "encode-texts", CLASSES
    )
    assert fits == set(FITS)


def first_file(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[0]


def test_image_deleted(world):
    """A deleted image is fetched again; equal bytes stop the cascade there."""
    image = first_file(world.artefact("fetch", "grid"), "images/*")
    content = image.read_bytes()
    image.unlink()
    planned = {(e.job.stage, e.job.subject): e for e in world.plan()}
    assert planned["fetch", "grid"].reasons == (f"damaged: {image} is missing",)
    assert world.computed() == {("fetch", "grid")}
    assert image.read_bytes() == content


def test_image_altered(world):
    """An image altered in place, same size and time, is noticed."""
    import os

    image = first_file(world.artefact("fetch", "dotted"), "images/*")
    content, stat = image.read_bytes(), image.stat()
    image.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(image, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert world.computed() == {("fetch", "dotted")}
    assert image.read_bytes() == content


def test_feature_file_truncated(world):
    """A truncated feature file is encoded again, for its class only."""
    features = first_file(world.artefact("encode-images", "fetch/woven"), "*.safetensors")
    features.write_bytes(features.read_bytes()[:40])
    assert world.computed() == {("encode-images", "fetch/woven")}


def test_manifest_corrupt(world):
    """A manifest that is not JSON any more makes its artefact stale, no other."""
    (world.artefact("encode-texts", "banded") / "manifest.json").write_text("{")
    assert world.computed() == {("encode-texts", "banded")}


def test_artefact_deleted(world):
    """A deleted artefact is made again; the ones after it stay, as it comes out the same."""
    shutil.rmtree(world.artefact("text-classifier", ""))
    assert world.computed() == {("text-classifier", "")}


def test_stage_version(world, monkeypatch):
    """A bumped stage version computes the stage again and, with equal results, nothing after it."""
    version = text_classifier.STAGE.version
    monkeypatch.setattr(
        text_classifier, "STAGE", dataclasses.replace(text_classifier.STAGE, version=version + 1)
    )
    planned = {(e.job.stage, e.job.subject): e for e in world.plan()}
    assert planned["text-classifier", ""].reasons == (f"stage version: {version} -> {version + 1}",)
    assert world.computed() == {("text-classifier", "")}


def test_target_split_changed(world):
    """More test images are encoded and classified; with the same support nothing is fitted again."""
    world.write(reader={"kind": "demo", "options": {"val": 2, "test": 4}})
    rest, fits = judged(world, world.computed())
    assert rest == {("target", "test"), ("curate", "")}
    assert fits == set()


def test_target_split_gone(world):
    """Without evaluation nothing is measured; the support set is curated without the target to compare with."""
    world.change(evaluate=False)
    rest, fits = judged(world, world.computed())
    assert rest == {("curate", "")}
    assert fits == set()


@pytest.mark.parametrize(
    "setting", ["encoder.batch_size=7", "encoder.device=cpu", "encoder.workers=2", "download.threads=3"]
)
def test_execution_details(world, setting):
    """Batch size, device and workers change no key."""
    world.change(setting)
    assert world.computed() == set()


def test_store_moved(world, tmp_path):
    """A store may be moved: nothing in it depends on its path."""
    shutil.move(tmp_path / "store", tmp_path / "elsewhere")
    world.change(store=str(tmp_path / "elsewhere"))
    assert world.computed() == set()


def test_pool_images_deleted(world):
    """Deleted images of the pool rebuild it; as it comes out the same, no search is asked again."""
    first_file(world.artefact("pool", ""), "images.arrow").unlink()
    assert world.computed() == {("pool", "")}


def test_a_report_is_made_of_what_it_shows(world):
    """Another title or name of the data set is another report, and the product carries the name; nothing else is made."""
    world.write(title="Cloth of <all> kinds")
    assert world.computed() == {("report", "")}
    report = world.store.path(world.result.report, "report.html").read_text(encoding="utf-8")
    assert "Cloth of &lt;all&gt; kinds" in report
    world.write(name="renamed")
    assert world.computed() == {("report", ""), ("package", "")}
    assert world.computed() == set()
    metrics = world.store.path(world.result.report, "metrics.json").read_text(encoding="utf-8")
    assert '"renamed"' in metrics
