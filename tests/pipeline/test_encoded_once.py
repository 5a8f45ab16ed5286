"""A photograph is encoded once in its life: label, index build, build --from-labels and predict share what the store has of it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from susx import label
from susx.classifier import load_classifier
from susx.cli import main
from susx.config import load_profile
from susx.features.encoder import Encoder
from susx.features.identity import identify_encoder
from susx.pipeline.executors import InlineExecutor
from susx.pipeline.graph import build
from susx.pipeline.plan import BuildOptions, plan_build
from susx.store import ArtefactStore, digest_file
from susx.store.image_rows import ImageRows
from susx.testing.photos import take_photos
from susx.testing.world import CLASSES

PHOTOS = 3 * len(CLASSES)


class Counter:
    """Images that went through an encoder since it was last asked."""

    def __init__(self) -> None:
        self.images = 0

    def taken(self) -> int:
        """Return them, and begin anew."""
        images, self.images = self.images, 0
        return images


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Counter:
    counter, pooled = Counter(), Encoder._pooled

    def counting(encoder: Encoder, batch: object) -> object:
        counter.images += len(batch)  # type: ignore[arg-type]
        return pooled(encoder, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(Encoder, "_pooled", counting)
    return counter


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of photographs; the store of every command lies beside it, and is not there yet."""
    monkeypatch.setenv("SUSX_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    take_photos(tmp_path / "photos", CLASSES, 3)
    return tmp_path / "photos"


def run(*words: str | Path) -> int | str | None:
    try:
        main([str(word) for word in words])
    except SystemExit as end:
        return end.code
    return 0


def test_label_index_build_and_predict_share_features(
    photos: Path, encoded: Counter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the first encodes the photographs; a new photograph is the one that is encoded, and answers are the same without a store."""
    store = tmp_path / "store"
    label(photos, CLASSES, store=store, no_pool=True)
    assert encoded.taken() == PHOTOS
    assert run("index", "build", tmp_path / "index", "--images", photos) == 0
    assert encoded.taken() == 0
    label(photos, CLASSES, store=store, pool=tmp_path / "index", out=tmp_path / "labels")
    assert encoded.taken() == 0
    options = BuildOptions(
        from_labels=str(tmp_path / "labels"), per_class=3, store=str(store), evaluate=False,
        settings=(
            "methods={whitened_prototypes: {}}", "headline=whitened_prototypes/fixed", "tuning=[fixed]", "retrieval.backend=index",
            f"retrieval.folder={tmp_path / 'index'}",
        ),
    )  # fmt: skip
    opened = ArtefactStore(store)
    built = build(plan_build(options), InlineExecutor(opened))
    assert encoded.taken() == 0
    classifier = tmp_path / "classifier"
    shutil.copytree(opened.folder(built.package) / "classifier", classifier)
    take_photos(photos / "new", CLASSES[:1], 1, first=50)
    (photos / "broken.png").write_bytes(b"no picture")
    assert run("predict", photos, "--classifier", classifier, "--out", tmp_path / "answers.jsonl") == 1
    assert encoded.taken() == 1
    answers = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    plain = load_classifier(classifier).predict([answer["image"] for answer in answers])
    assert encoded.taken() == PHOTOS + 1
    for answer, other in zip(answers, plain, strict=True):
        if other.error is not None:
            assert answer["error"] == other.error
        else:
            assert answer["class_name"] == other.classes[0].class_name
            assert answer["probability"] == pytest.approx(other.classes[0].probability, abs=1e-4)
    capsys.readouterr()


@pytest.mark.parametrize("tool", ["susx", "clip-retrieval"])
def test_either_tool_of_an_index_takes_what_the_store_has(photos: Path, tmp_path: Path, tool: str) -> None:
    """Rows that no encoder would make are in the index, each beside its own photograph; the one that is missing is encoded."""
    identity = identify_encoder(load_profile("demo").encoder)
    files = sorted(photos.iterdir())
    rows = np.random.default_rng(0).normal(size=(len(files) - 1, 128)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    store = ImageRows(ArtefactStore(tmp_path / "store"), identity.id)
    store.add([digest_file(path) for path in files[1:]], rows)
    assert run("index", "build", tmp_path / "index", "--images", photos, "--tool", tool) == 0
    table = pd.read_parquet(tmp_path / "index" / "metadata")
    features = np.load(tmp_path / "index" / "img_emb" / "img_emb_00000.npy")
    assert [Path(path).name for path in table["image_path"]] == [path.name for path in files]
    assert np.array_equal(features[1:], rows.astype(np.float16))
    assert np.abs(features[0].astype(np.float32) @ rows.T).max() < 0.5


def test_what_an_index_encoded_is_not_encoded_by_label(
    photos: Path, encoded: Counter, tmp_path: Path
) -> None:
    """With our own encoder; label takes the hashes that an index has no use for; a picture that the index had to turn upright is its own business."""
    turned = Image.open(photos / "IMG_0000.png").convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(photos / "turned.jpg", exif=exif)
    store = tmp_path / "store"
    store.mkdir()
    assert run("index", "build", tmp_path / "index", "--images", photos, "--tool", "susx") == 0
    assert encoded.taken() == PHOTOS + 1
    shared = label(photos, CLASSES, store=store, no_pool=True)
    assert encoded.taken() == 1
    alone = label(photos, CLASSES, store=tmp_path / "other", no_pool=True)
    assert encoded.taken() == PHOTOS + 1
    assert shared.frame["group"].tolist() == alone.frame["group"].tolist()
    assert np.allclose(shared.result.features(), alone.result.features(), atol=1e-5)


def test_without_a_store_nothing_is_made(photos: Path, encoded: Counter, tmp_path: Path) -> None:
    """An index of somebody who never labelled a folder is made as ever, and no store beside it."""
    assert run("index", "build", tmp_path / "index", "--images", photos, "--tool", "susx") == 0
    assert encoded.taken() == PHOTOS
    assert not (tmp_path / "store").exists()
    assert run("index", "build", tmp_path / "again", "--images", photos, "--tool", "susx") == 0
    assert encoded.taken() == PHOTOS
