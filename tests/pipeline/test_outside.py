"""What a build reads from outside its store is what its keys say: in one long-lived process, and while people edit files."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from susx.commands.support import open_support
from susx.config import GenerationConfig
from susx.datasets import read_split
from susx.demo.textures import render
from susx.errors import SourceChanged
from susx.images.support import export_imagefolder
from susx.pipeline import generate, retrieval, target
from susx.pipeline.generator_identity import generator_path, identify_generator
from susx.pipeline.images import files_by_digest
from susx.pipeline.inputs import Done
from susx.pipeline.plan import plan_build
from susx.pipeline.stage import execute
from susx.pipeline.wiring import STAGES
from susx.report.collect import _TestImages
from susx.store import Ref
from susx.store.inventory import damaged
from susx.testing.world import CLASSES, new_world

LINKS = {"retrieval.backend": "urls", "download.allow_private": "true", "download.retries": "0"}


def walk(world, last):
    """Carry a build out up to a stage; returns the artefacts of that stage by subject."""
    plan, done = plan_build(world.options), Done(store=world.store, account=list)
    for stage in STAGES.values():
        refs = [execute(stage, job, world.store).ref for job in stage.jobs(plan, done)]
        done = done.plus(refs)
        if stage.name == last:
            return {ref.subject: ref for ref in refs}
    raise LookupError(last)


def candidates(world, name="dotted"):
    rows = pq.read_table(world.store.path(walk(world, "search")[name], "candidates.parquet")).to_pylist()
    return [(row["url"], row["caption"], row["similarity"]) for row in rows]


def write_links(path, site):
    rows = [
        f"http://127.0.0.1:9/{site}/{name}{i}.jpg,a {name} texture {i}" for name in CLASSES for i in range(4)
    ]
    path.write_text("\n".join(["url,caption", *rows]) + "\n")


def index_of(world, folder):
    """Copy the embedded pool's index as one that somebody else made."""
    shutil.copytree(world.artefact("pool", ""), folder)
    for name in ("susx_index.json", "manifest.json", "stat.json"):
        (folder / name).unlink(missing_ok=True)
    return folder


def shift(index):
    """Give every row of an index the metadata of the next one; the features stay."""
    for file in (index / "metadata").glob("*.parquet"):
        table = pq.read_table(file)
        file.unlink()
        rows = table.num_rows
        pq.write_table(table.take(pa.array([(row + 1) % rows for row in range(rows)])), file)


@pytest.fixture
def indexed(world, tmp_path):
    """A world that searches an index folder of somebody else's."""
    folder = index_of(world, tmp_path / "live")
    world.change("retrieval.backend=index", f"retrieval.folder={folder}", evaluate=False)
    return world


@pytest.fixture
def linked(tmp_path):
    """A world that searches a list of links."""
    world = new_world(tmp_path)
    write_links(tmp_path / "links.csv", "old")
    settings = LINKS | {"retrieval.urls": str(tmp_path / "links.csv")}
    world.change(*(f"{name}={value}" for name, value in settings.items()), evaluate=False)
    return world


def test_a_replaced_index_is_searched_anew_in_the_same_process(indexed, tmp_path):
    """The second build of a notebook finds what a process that knows nothing of the first one finds."""
    before = candidates(indexed)
    shift(tmp_path / "live")
    now = candidates(indexed)
    retrieval._backend.cache_clear()
    indexed.options = dataclasses.replace(indexed.options, store=str(tmp_path / "empty"))
    assert now == candidates(indexed)
    assert now != before


def test_an_edited_list_of_links_is_searched_anew_in_the_same_process(linked, tmp_path):
    """Its links are those of the file as it is now."""
    assert all("/old/" in url for url, *_ in candidates(linked))
    write_links(tmp_path / "links.csv", "new")
    assert all("/new/" in url for url, *_ in candidates(linked))


def test_replaced_weights_of_a_generator_are_loaded_anew_in_the_same_process(tmp_path):
    """A pipeline is remembered by its model's identity, and refused where that is no longer what lies there."""
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(generator_path(GenerationConfig(model="demo")), tmp_path / "model")
    config = GenerationConfig(model=str(tmp_path / "model"))
    weights = tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors"

    def first_weight(identity):
        return next(generate._pipeline(config, json.dumps(identity, sort_keys=True)).pipe.unet.parameters())

    old_identity = identify_generator(config)
    old = first_weight(old_identity).clone()
    save_file({name: 0.5 * value for name, value in load_file(weights).items()}, weights)
    assert torch.allclose(first_weight(identify_generator(config)), 0.5 * old, atol=1e-3)
    with pytest.raises(SourceChanged, match="diffusion model"):
        first_weight(old_identity)


def refused_while_edited(world, stage, edit):
    """Edit a source while a stage reads it; whatever it read, nothing of it may stay under the key of before."""
    plan, done = plan_build(world.options), Done(store=world.store, account=list)
    for before in STAGES.values():
        if before.name == stage:
            break
        done = done.plus(execute(before, job, world.store).ref for job in before.jobs(plan, done))
    real = STAGES[stage]

    def run(job, store, out):
        counts = real.run(job, store, out)
        edit()
        return counts

    job = real.jobs(plan, done)[0]
    with pytest.raises(SourceChanged, match=rf"'{stage}'.*Run the same command again"):
        execute(dataclasses.replace(real, run=run), job, world.store)
    assert world.store.find(job) is None
    assert not world.store._partial(job.stage, job.key).exists()


def test_an_index_edited_while_it_is_searched_stores_nothing(indexed, tmp_path):
    """The candidates of the new index are not kept under the key of the old one."""
    refused_while_edited(indexed, "search", lambda: shift(tmp_path / "live"))


def test_a_list_edited_while_it_is_searched_stores_nothing(linked, tmp_path):
    """The candidates of the new list are not kept under the key of the old one."""
    refused_while_edited(linked, "search", lambda: write_links(tmp_path / "links.csv", "new"))


def test_a_seed_edited_while_it_is_read_stores_nothing(tmp_path):
    """The examples of before are not kept with a picture of after."""
    world, seed = new_world(tmp_path), tmp_path / "examples" / "dotted" / "a.png"
    seed.parent.mkdir(parents=True)
    Image.fromarray(render("dotted", "web", "train", 0)).save(seed)
    world.write(examples="examples")
    world.change(evaluate=False)
    refused_while_edited(
        world, "examples", lambda: Image.fromarray(render("grid", "web", "train", 1)).save(seed)
    )


@pytest.fixture
def listed(tmp_path):
    """A world that is measured on image files listed in a table, and a function that writes the table in another order."""
    lines = []
    for name in CLASSES:
        (tmp_path / "imgs" / name).mkdir(parents=True)
        for number in range(3):
            path = f"imgs/{name}/{number}.png"
            Image.fromarray(render(name, "camera", "test", number)).save(tmp_path / path)
            lines.append(f"{path},{name},test")

    def write(order):
        rows = [lines[at] for at in order]
        (tmp_path / "labels.csv").write_text("\n".join(["path,class,split", *rows]) + "\n")

    write(range(len(lines)))
    world = new_world(tmp_path)
    world.write(reader={"kind": "csv", "folder": "", "options": {"file": "labels.csv"}})
    world.change(data_root=str(tmp_path))
    return world, write


def test_a_labelled_image_edited_while_it_is_measured_stores_nothing(listed, tmp_path):
    """Features of the new picture are not kept under the identity of the old one."""
    image = tmp_path / "imgs" / "dotted" / "0.png"
    refused_while_edited(
        listed[0], "target", lambda: Image.fromarray(render("grid", "camera", "test", 1)).save(image)
    )


def test_a_measured_split_knows_no_order(listed, tmp_path):
    """The lines of a table in another order are the same split, and give the same bytes from an empty store."""
    world, write = listed
    first = walk(world, "target")["test"]
    write(reversed(range(12)))
    assert walk(world, "target")["test"] == first
    world.options = dataclasses.replace(world.options, store=str(tmp_path / "empty"))
    assert walk(world, "target")["test"] == first


def test_a_report_shows_the_pictures_that_were_measured(listed, tmp_path):
    """Whatever the order of the lines now; of a picture that is another one now, the name alone."""
    world, write = listed
    measured = target.read(world.store, walk(world, "target")["test"])
    dataset = plan_build(world.options).dataset

    def test_split():
        return read_split(dataset, tmp_path, "test")

    before = [_TestImages(test_split, measured)(row) for row in range(12)]
    write(reversed(range(12)))
    assert [_TestImages(test_split, measured)(row) for row in range(12)] == before
    assert [image.name for image in before] == list(measured.names)
    Image.fromarray(render("grid", "camera", "test", 9)).save(tmp_path / "imgs" / "dotted" / "1.png")
    now = _TestImages(test_split, measured)(measured.names.index("imgs/dotted/1.png"))
    assert (now.image, now.name) == (None, "imgs/dotted/1.png")


def test_images_are_found_under_whatever_key_they_live_on(world, tmp_path):
    """One rotten byte in an artefact that no job names any more takes nothing from exports and reports."""
    old = world.artefact("fetch", "dotted")
    world.build()
    table = world.store.path(world.result.support, "support.parquet")
    world.change("download.max_bytes=19000000")
    assert {stage for stage, _ in world.computed()} >= {"fetch"}
    assert world.store.path(world.result.support, "support.parquet") == table, "the same images, the same set"
    picture = next(iter(sorted((old / "images").iterdir())))
    data = bytearray(picture.read_bytes())
    data[len(data) // 2] ^= 1
    picture.write_bytes(data)
    assert len(list(damaged(world.store))) == 1
    shutil.rmtree(world.store.folder(world.result.report))
    world.build()
    assert "(no picture)" not in (world.store.folder(world.result.report) / "report.html").read_text()
    rows, classes, locate = open_support(table, None, None)
    kept = [row for row in rows if row.kept]
    assert export_imagefolder(rows, classes, locate, tmp_path / "exported") == len(kept) > 0


def test_an_image_that_is_gone_from_one_artefact_is_taken_from_another(world):
    """Of two artefacts that hold the same content, the one whose file is there is named."""
    world.build()
    ref = world.result.images["fetch/dotted"]
    copy = Ref("fetch", "dotted", "0" * 64, ref.digest)
    held = files_by_digest(world.store, [ref, copy])
    assert all(path.is_file() for path in held.values())
