"""A labelled folder on the disk: written whole, read back, labelled again with what people said."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from susx.encoder_id import EncoderId
from susx.errors import InputError, StoreError
from susx.labelling import LabelRecord, LabelResult
from susx.labelling.judge import label_images
from susx.methods.functional.folder_prototypes import inductive_from_folder
from susx.store import ArtefactStore, digest_bytes
from susx.store.image_rows import ImageRows

CLASSES = ("brick", "wood", "moss")
ENCODER = EncoderId("tiny", digest_bytes(b"an encoder"))


def _result(root: Path, images: int = 6, classes: tuple[str, ...] = CLASSES) -> LabelResult:
    """Label ``images`` rows that lie around their classes in turn; the first and the fourth are near-duplicates."""
    text = torch.eye(max(2, len(classes)), 8)[: len(classes)]
    noise = 0.1 * torch.randn(images, 8, generator=torch.Generator().manual_seed(0))
    rows = torch.nn.functional.normalize(text[torch.arange(images) % len(classes)] + noise)
    digests = [digest_bytes(str(at).encode()) for at in range(images)]
    store = ArtefactStore(root / "store")
    ImageRows(store, ENCODER).add(digests, rows.numpy())
    frame = pd.DataFrame(
        {
            "path": [f"a/{at}.jpg" for at in range(images)],
            "digest": digests,
            "group": [0, 1, 2, 0, 3, 4, 5, 6][:images],
        }
    )
    model = inductive_from_folder(text, 20.0, rows)
    record = LabelRecord(classes, str(root), ENCODER, store=store.address, left_out={"truncated": 1})
    labelled = label_images(model, rows.numpy(), frame, classes, {})
    return LabelResult(
        record.with_estimate(labelled.estimate), labelled.frame, {"a/broken.jpg": "truncated"}, model=model
    )


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    """The table, the record and the reasons come back; the three forms of the table agree."""
    written = _result(tmp_path).write(tmp_path / "out")
    read = LabelResult.read(tmp_path / "out")
    assert read.record == written.record
    assert read.left_out == {"a/broken.jpg": "truncated"}
    assert list(read.frame["label"]) == ["brick", "wood", "moss"] * 2
    pd.testing.assert_frame_equal(read.frame, written.frame, atol=1e-6)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out" / "labels.parquet"), read.frame, atol=1e-6)
    csv = pd.read_csv(tmp_path / "out" / "labels.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(csv, read.frame, atol=1e-6)
    assert np.allclose(
        read.frame["margin"], read.frame["probability"] - read.frame["second_probability"], atol=1e-5
    )


def test_features_come_from_the_store_in_the_order_of_the_table(tmp_path: Path) -> None:
    """Rows are found by the digest of the file, and labelled again they give the same table."""
    result = LabelResult.read(_result(tmp_path).write(tmp_path / "out").folder or "")
    assert result.features().shape == (6, 8)
    pd.testing.assert_frame_equal(result.relabel({}).frame, result.frame, atol=1e-6)


def test_a_store_without_the_features_is_said(tmp_path: Path) -> None:
    """Nothing is encoded behind anybody's back."""
    result = _result(tmp_path).write(tmp_path / "out")
    for path in (tmp_path / "store").rglob("*.safetensors"):
        path.unlink()
    with pytest.raises(StoreError, match="0 of the 6 images"):
        LabelResult.read(result.folder or "").features()


def test_what_people_said_stands(tmp_path: Path) -> None:
    """A class, none of these, and a class that is new; the near-duplicate follows, the others keep their labels."""
    result = _result(tmp_path)
    digests = list(result.frame["digest"])
    after = result.relabel({digests[0]: "gravel", digests[1]: "", digests[2]: "brick"})
    assert list(after.frame["label"][:4]) == ["gravel", "", "brick", "gravel"]
    assert list(after.frame["by_person"]) == [True, True, True, True, False, False]
    assert list(after.frame["none_of_these"][:4]) == [0.0, 1.0, 0.0, 0.0]
    assert after.frame["second"][2] == "moss"
    assert after.classes == (*CLASSES, "gravel")
    assert list(after.relabel({}).frame["label"]) == list(result.frame["label"])


def test_near_duplicates_with_different_answers_keep_their_own(tmp_path: Path) -> None:
    """Both were looked at: neither answer is the other's."""
    result = _result(tmp_path)
    digests = list(result.frame["digest"])
    after = result.relabel({digests[0]: "moss", digests[3]: "wood"})
    assert list(after.frame["label"][[0, 3]]) == ["moss", "wood"]


@pytest.mark.parametrize("classes", [CLASSES[:1], CLASSES])
def test_one_image_and_one_class(tmp_path: Path, classes: tuple[str, ...]) -> None:
    """The smallest folder and the shortest list are labelled; without a second class there is no second label."""
    result = _result(tmp_path, images=1, classes=classes).write(tmp_path / "out")
    read = LabelResult.read(result.folder or "")
    assert list(read.frame["label"]) == ["brick"]
    assert (read.frame["second"][0] == "") == (len(classes) == 1)


def test_names_that_are_not_utf8_and_formulas_survive(tmp_path: Path) -> None:
    """A file's name is bytes; in a spreadsheet it is no formula."""
    result = _result(tmp_path)
    result.frame.loc[0, "path"] = "caf\udce9.jpg"
    result.frame.loc[1, "path"] = "=cmd|x.jpg"
    result.write(tmp_path / "out")
    assert list(LabelResult.read(tmp_path / "out").frame["path"][:2]) == ["caf\udce9.jpg", "=cmd|x.jpg"]
    assert "'=cmd|x.jpg" in (tmp_path / "out" / "labels.csv").read_text(encoding="utf-8")


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """Only a new or empty folder, or an earlier result, is written to; what people said is never touched."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "x.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match="not empty"):
        _result(tmp_path).write(tmp_path / "photos")
    with pytest.raises(InputError, match="is a file"):
        _result(tmp_path).write(tmp_path / "photos" / "x.jpg")
    result = _result(tmp_path).write(tmp_path / "out")
    (tmp_path / "out" / "corrections.csv").write_text("time,path\n")
    result.write(tmp_path / "out")
    assert (tmp_path / "out" / "corrections.csv").read_text() == "time,path\n"


@pytest.mark.parametrize("name", ["labels.json", "labels.jsonl"])
@pytest.mark.parametrize("content", [None, b"", b"[]", b"{not json"])
def test_a_damaged_result_is_said(tmp_path: Path, name: str, content: bytes | None) -> None:
    """A missing, empty, foreign or torn file is named."""
    _result(tmp_path).write(tmp_path / "out")
    path = tmp_path / "out" / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    if name == "labels.jsonl" and content == b"":
        assert len(LabelResult.read(tmp_path / "out")) == 0
        return
    with pytest.raises(InputError, match=name):
        LabelResult.read(tmp_path / "out")


def test_a_record_of_a_later_version_is_read(tmp_path: Path) -> None:
    """What is not known yet is passed over."""
    _result(tmp_path).write(tmp_path / "out")
    path = tmp_path / "out" / "labels.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "later": 1}))
    assert LabelResult.read(tmp_path / "out").classes == CLASSES
