"""Feature files of three layouts: read alike, refused by name."""

from __future__ import annotations

import io
import json
import logging
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from susx.encoder_id import EncoderId
from susx.errors import InputError, MismatchError
from susx.experiment.result_rows import evidence_of
from susx.features.feature_folder import read_features, write_features
from susx.features.feature_set import FeatureSet, Split
from susx.features.importers.tensors import load_tensor

REAL = os.environ.get("SUSX_REAL_DATA")
NAMES = ("zebra", "ant", "moose")
DIM = 8


def unit(rows: int, seed: int) -> torch.Tensor:
    return torch.nn.functional.normalize(
        torch.randn(rows, DIM, generator=torch.Generator().manual_seed(seed))
    )


def near(text: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Rows close to the prompt of their class."""
    noise = 0.05 * torch.randn(len(labels), DIM, generator=torch.Generator().manual_seed(9))
    return torch.nn.functional.normalize(text[labels] + noise)


TEXT = unit(3, 0)
LABELS = torch.tensor([0, 0, 1, 1, 2, 2])


def tip_adapter(folder: Path) -> Path:
    torch.save(near(TEXT, LABELS).T.half(), folder / "keys_2shots.pt")
    torch.save(torch.nn.functional.one_hot(LABELS).half(), folder / "values_2shots.pt")
    for split in ("val", "test"):
        torch.save(near(TEXT, LABELS).half(), folder / f"{split}_f.pt")
        torch.save(LABELS, folder / f"{split}_l.pt")
    np.save(folder / "text.npy", TEXT.numpy())
    (folder / "classnames.txt").write_text("\n".join(NAMES) + "\n")
    return folder


def sus_x(folder: Path, labels: torch.Tensor = LABELS) -> Path:
    for split in ("val", "test"):
        torch.save(near(TEXT, LABELS), folder / f"my_set_f_{split}_mRN50.pt")
        torch.save(LABELS, folder / f"my_set_t_{split}_mRN50.pt")
    torch.save(near(TEXT, LABELS).T, folder / "sus_lc_photo_my_set_f_mRN50.pt")
    torch.save(torch.nn.functional.one_hot(labels).half(), folder / "sus_lc_photo_my_set_t_mRN50.pt")
    torch.save(TEXT.T.contiguous(), folder / "my_set_zeroshot_text_weights_mRN50_ptcombined.pt")
    return folder


@pytest.mark.parametrize("write", [tip_adapter, sus_x])
def test_every_layout_gives_the_same_features(write, tmp_path: Path) -> None:
    """Transposed keys, one-hot labels and transposed prompts come out as rows and class ids."""
    held = read_features(write(tmp_path))
    assert held.support is not None
    assert held.validation is not None
    assert held.test is not None
    torch.testing.assert_close(held.text, TEXT)
    for split in (held.support, held.validation, held.test):
        torch.testing.assert_close(split.features, near(TEXT, LABELS), atol=2e-3, rtol=0)
        assert torch.equal(split.labels, LABELS)
        assert split.features.dtype == torch.float32


def test_own_layout_survives_a_round_trip(tmp_path: Path) -> None:
    """What is written is read back bit for bit, with names, scale, encoder and patches."""
    patches = torch.nn.functional.normalize(torch.randn(6, 4, DIM), dim=-1)
    split = Split(near(TEXT, LABELS), LABELS, patches)
    given = FeatureSet(
        NAMES, TEXT, 87.5, split, None, split, source="somewhere", encoder=EncoderId("ViT-B-32")
    )
    held = read_features(write_features(given, tmp_path / "deep" / "folder"))
    assert (held.class_names, held.logit_scale, held.source, held.encoder) == (
        NAMES,
        87.5,
        "somewhere",
        EncoderId("ViT-B-32"),
    )
    assert held.support is not None
    assert held.validation is None
    assert torch.equal(held.text, TEXT)
    assert torch.equal(held.support.features, split.features)
    assert held.support.patches is not None
    assert torch.equal(held.support.patches, patches)


def test_tensors_saved_on_a_gpu_are_read_on_the_cpu(tmp_path: Path) -> None:
    """A file that says its tensor lay on cuda:0 is read where there is no GPU."""
    tip_adapter(tmp_path)
    file = tmp_path / "val_f.pt"
    target = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename.endswith("data.pkl"):
                assert b"X\x03\x00\x00\x00cpu" in data
                data = data.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            new.writestr(entry.filename, data)
    file.write_bytes(target.getvalue())
    held = read_features(tmp_path)
    assert held.validation is not None
    assert held.validation.features.device.type == "cpu"


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    """A pickle that would run something when loaded is refused, and does not run."""

    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    tip_adapter(tmp_path)
    torch.save(Trap(), tmp_path / "val_f.pt")
    with pytest.raises(InputError, match=r"val_f\.pt.*plain tensor"):
        read_features(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("file", "content", "error", "words"),
    [
        ("val_l.pt", torch.tensor([0, 1, 2, 3, 0, 1]), InputError, "outside the class list.*row 3 says 3"),
        ("val_l.pt", torch.tensor([0, 1]), MismatchError, "expected 6 labels"),
        ("val_l.pt", torch.full((6,), 0.5), InputError, "whole numbers"),
        ("test_f.pt", torch.ones(6, DIM + 1), MismatchError, f"width {DIM}"),
        ("test_f.pt", torch.full((6, DIM), float("nan")), InputError, "NaN"),
        ("values_2shots.pt", torch.zeros(6, 3), InputError, "not one-hot"),
        ("values_2shots.pt", torch.eye(6), MismatchError, "6 classes"),
        ("keys_2shots.pt", torch.ones(DIM, 5), MismatchError, "does not fit the 6 rows"),
        ("keys_2shots.pt", {"a": torch.ones(1)}, InputError, "one tensor, found dict"),
    ],
)
def test_bad_files_are_refused_by_name(
    file: str, content, error: type[Exception], words: str, tmp_path: Path
) -> None:
    """Each kind of bad content is refused with the name of its file."""
    tip_adapter(tmp_path)
    torch.save(content, tmp_path / file)
    with pytest.raises(error, match=rf"(?s){file.replace('.', '[.]')}.*{words}|{words}.*{file}"):
        read_features(tmp_path)


def test_rows_of_another_scale_are_normalised_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows that were never normalised are, with a warning that names their file."""
    tip_adapter(tmp_path)
    torch.save(near(TEXT, LABELS) * 11, tmp_path / "test_f.pt")
    with caplog.at_level(logging.WARNING):
        held = read_features(tmp_path)
    assert held.test is not None
    torch.testing.assert_close(held.test.features, near(TEXT, LABELS))
    assert "test_f.pt" in caplog.text
    assert "normalised" in caplog.text


def test_missing_pieces_are_named(tmp_path: Path) -> None:
    """No folder, no known layout, no text, no such shots: each says what there is instead."""
    with pytest.raises(InputError, match="no such folder"):
        read_features(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=r"known layout.*notes\.txt"):
        read_features(tmp_path)
    tip_adapter(tmp_path)
    with pytest.raises(InputError, match=r"no keys_16shots\.pt.*\[2\]"):
        read_features(tmp_path, shots=16)
    (tmp_path / "val_l.pt").unlink()
    with pytest.raises(InputError, match=r"val_l\.pt: no such file"):
        read_features(tmp_path)
    (tmp_path / "text.npy").unlink()
    with pytest.raises(InputError, match="no text classifier"):
        read_features(tmp_path)


def test_duplicate_and_missing_class_names_are_refused(tmp_path: Path) -> None:
    """The class list must name every class once."""
    tip_adapter(tmp_path)
    (tmp_path / "classnames.txt").write_text("ant\nant\nmoose\n")
    with pytest.raises(InputError, match="'ant'"):
        read_features(tmp_path)
    (tmp_path / "classnames.txt").write_text("ant\nmoose\n")
    with pytest.raises(MismatchError, match=r"2 class names.*3 rows"):
        read_features(tmp_path)


def test_several_sus_x_sets_need_a_choice(tmp_path: Path) -> None:
    """Where a SuS-X folder holds several support sets, one must be named."""
    sus_x(tmp_path)
    for letter in "ft":
        copy = tmp_path / f"sus_sd_cupl_my_set_{letter}_mRN50.pt"
        copy.write_bytes((tmp_path / f"sus_lc_photo_my_set_{letter}_mRN50.pt").read_bytes())
    with pytest.raises(InputError, match=r"lc_photo, sd_cupl.*--support"):
        read_features(tmp_path)
    assert read_features(tmp_path, support="sd_cupl").support is not None


def test_labels_in_folder_order_are_translated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Support labels in the alphabetical order of folders are brought to the order of the class list."""
    # Alphabetical: ant 0, moose 1, zebra 2; the list says zebra, ant, moose.
    alphabetical = torch.tensor([2, 0, 1])
    sus_x(tmp_path, alphabetical[LABELS])
    (tmp_path / "classnames.txt").write_text("\n".join(NAMES))
    held = read_features(tmp_path)
    assert held.support is not None
    assert torch.equal(held.support.labels, LABELS)
    assert "alphabetical" in caplog.text


def test_damaged_own_files_are_refused(tmp_path: Path) -> None:
    """A cut file, a foreign format and a missing half say to import again."""
    split = Split(near(TEXT, LABELS), LABELS)
    write_features(FeatureSet(NAMES, TEXT, test=split), tmp_path)
    facts = json.loads((tmp_path / "features.json").read_text())
    (tmp_path / "features.json").write_text(json.dumps(facts | {"version": 99}))
    with pytest.raises(InputError, match="version 1, found susx-features version"):
        read_features(tmp_path)
    (tmp_path / "features.json").write_text(json.dumps(facts))
    (tmp_path / "features.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(InputError, match="import-features again"):
        read_features(tmp_path)


@pytest.mark.skipif(REAL is None, reason="SUSX_REAL_DATA is not set: no real features to read")
@pytest.mark.parametrize(("name", "classes", "support"), [("dtd", 47, 0), ("sun397", 397, 3176)])
def test_real_tip_adapter_caches_are_read(name: str, classes: int, support: int) -> None:
    """The real caches, GPU-saved tensors among them, are read with their official counts."""
    held = read_features(Path(str(REAL)) / "clip-vit-b-32" / name)
    assert held.classes == len(held.class_names) == classes
    assert (0 if held.support is None else len(held.support)) == support


def test_a_tensor_larger_than_its_file_is_refused(tmp_path):
    """Four bytes and a stride of 0 stand for terabytes."""
    torch.save(torch.zeros(1).expand(10**6, 10**6), tmp_path / "test_f.pt")
    with pytest.raises(InputError, match="larger than the file"):
        load_tensor(tmp_path / "test_f.pt")


def test_the_encoder_survives_a_file(tmp_path: Path) -> None:
    """Name and digest are read back, and reach what a method may look at; a folder of before has no digest."""
    held = FeatureSet(
        NAMES, TEXT, support=Split(near(TEXT, LABELS), LABELS), encoder=EncoderId("a", "b" * 64)
    )
    found = read_features(write_features(held, tmp_path))
    assert found.encoder == EncoderId("a", "b" * 64)
    evidence = evidence_of(found, found.support, None, labelled=found.support_labelled)
    assert evidence.encoder == EncoderId("a", "b" * 64)
    facts = json.loads((tmp_path / "features.json").read_text())
    del facts["encoder_digest"]
    (tmp_path / "features.json").write_text(json.dumps(facts))
    assert read_features(tmp_path).encoder.digest == ""


def test_whether_a_person_labelled_the_support_survives_a_file(tmp_path: Path) -> None:
    """A set that was retrieved or generated by name is no labelled one, and stays none; a folder of before says nothing: labelled."""
    for labelled in (True, False):
        held = FeatureSet(NAMES, TEXT, support=Split(near(TEXT, LABELS), LABELS), support_labelled=labelled)
        found = read_features(write_features(held, tmp_path))
        evidence = evidence_of(found, found.support, None, labelled=found.support_labelled)
        assert (found.support_labelled, evidence.has_labelled) == (labelled, labelled)
    facts = json.loads((tmp_path / "features.json").read_text())
    del facts["support_labelled"]
    (tmp_path / "features.json").write_text(json.dumps(facts))
    assert read_features(tmp_path).support_labelled
