"""What a reader of the documentation has brought along: names, photographs, links, features."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from susx.config import EncoderConfig, load_dataset
from susx.demo.textures import render
from susx.features.encoder import load_encoder
from susx.methods import Evidence
from susx.methods.meta_training import meta_train
from susx.testing.data_sets import write_tables, write_webdataset
from tests.docs.warm import made_once

__all__ = ["FABRICS", "bring"]

FABRICS = ("striped", "chequered", "knitted", "lacelike", "polka-dotted")


def bring(folder: Path, photo_url: str) -> None:
    """Write what the pages take for granted into an empty folder; the pages' own YAML may replace some of it."""
    shutil.copytree(made_once("reader", _belongings), folder, dirs_exist_ok=True)
    links = [
        {"url": f"{photo_url}?{n}", "caption": f"a {FABRICS[n % 5]} fabric, number {n}"} for n in range(60)
    ]
    pd.DataFrame(links).to_parquet(folder / "links.parquet")


def _belongings(folder: Path) -> None:
    (folder / "names.txt").write_text("".join(f"{name}\n" for name in FABRICS))
    listed = "".join(f"  - {name}\n" for name in FABRICS)
    (folder / "fabrics.yaml").write_text(
        f'name: fabrics\nphoto_prompt: "A photo of a {{}} fabric."\nclasses:\n{listed}'
    )
    _photographs(folder)
    _labelled(folder / "data")
    (folder / "shards").mkdir()
    with tarfile.open(folder / "shards" / "0.tar", "w") as shard:
        for path in sorted((folder / "photos").rglob("*.*")):
            shard.add(path, f"{path.parent.name}-{path.name}")
    _layouts(folder)
    _caches(folder / "caches")
    _attention(folder / "attention.safetensors")


def _photographs(folder: Path) -> None:
    for name in FABRICS:
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(12):
            path = folder / "photos" / name / f"{number}.jpg"
            Image.fromarray(render(name, "web", "pool", number)).save(path)
            path.with_suffix(".txt").write_text(f"a {name} fabric\n")
            split = "train" if number < 8 else ("val", "test")[number % 2]
            (folder / "splits" / split / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / "splits" / split / name)
    for name in ("photo.jpg", "photo1.jpg"):
        Image.fromarray(render("knitted", "camera", "test", 0)).save(folder / name)


def _labelled(data: Path) -> None:
    """``data/fabrics`` with a CSV of two splits, ``data/worn-fabrics`` with a folder per class."""
    rows = []
    for name in (*FABRICS[:4], "crane print"):
        drawn = "swirly" if name == "crane print" else name
        (data / "worn-fabrics" / name).mkdir(parents=True)
        (data / "fabrics").mkdir(exist_ok=True)
        for number in range(4):
            picture = Image.fromarray(render(drawn, "camera", "test", number))
            picture.save(data / "worn-fabrics" / name / f"{number}.jpg")
            picture.save(data / "fabrics" / f"{name}-{number}.jpg")
            label = "checkered" if name == "chequered" else name
            rows.append((f"{name}-{number}.jpg", label, ("val", "test")[number % 2]))
    for name in ("chequered", "crane print"):
        shutil.rmtree(data / "worn-fabrics" / name)
    pd.DataFrame(rows, columns=["path", "class", "split"]).to_csv(
        data / "fabrics" / "labels.csv", index=False
    )


def _layouts(folder: Path) -> None:
    """``hub/fabrics`` as a repository of datasets, ``wds_fabrics`` as CLIP_benchmark has it."""
    images = [(folder / "photos" / name / "0.jpg").read_bytes() for name in FABRICS]
    labelled = [(image, label) for label, image in enumerate(images)]
    write_tables(folder / "hub" / "fabrics", {"validation": labelled, "test": labelled}, FABRICS)
    write_webdataset(
        folder / "wds_fabrics", {"test": labelled}, FABRICS, ["a photo of a {c} fabric.", "{c} cloth."]
    )


def _caches(folder: Path) -> None:
    """Tip-Adapter's files for dtd: 16 shots, both splits, and a text classifier."""
    folder.mkdir()
    generator = torch.Generator().manual_seed(0)
    classes = len(load_dataset("dtd").classes)
    centres = torch.nn.functional.normalize(torch.randn(classes, 64, generator=generator), dim=1)

    def rows(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.arange(classes).repeat_interleave(count)
        noise = 0.2 * torch.randn(classes * count, 64, generator=generator)
        return torch.nn.functional.normalize(centres[labels] + noise, dim=1), labels

    np.save(folder / "text.npy", centres.numpy())
    keys, values = rows(16)
    torch.save(keys.T.contiguous(), folder / "keys_16shots.pt")
    torch.save(torch.nn.functional.one_hot(values, classes).float(), folder / "values_16shots.pt")
    for split in ("val", "test"):
        features, labels = rows(4)
        torch.save(features, folder / f"{split}_f.pt")
        torch.save(labels, folder / f"{split}_l.pt")


def _attention(path: Path) -> None:
    """Meta-Adapter's weights, trained on pictures of the embedded world."""
    encoder = load_encoder(EncoderConfig(model="susx-tiny"))
    names = ("banded", "dotted", "woven", "grid", "bubbly", "swirly")
    labels = torch.arange(len(names)).repeat_interleave(3)
    pictures = [
        Image.fromarray(render(names[c], "web", "pool", i % 3)) for i, c in enumerate(labels.tolist())
    ]
    evidence = Evidence(
        encoder.encode_texts([f"{name} texture." for name in names]),
        support_features=encoder.encode_images(pictures),
        support_labels=labels,
    )
    meta_train(evidence, path, source="six textures")
