"""Features as plain numpy arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from susx.errors import InputError, MismatchError, SusxError
from susx.features.feature_folder import read_features

RNG = np.random.default_rng(0)
TEXT = RNG.normal(size=(3, 8)).astype(np.float32)
ARRAYS = {
    "text": TEXT,
    "test_features": RNG.normal(size=(6, 8)),
    "test_labels": np.arange(6) % 3,
    "val_features": RNG.normal(size=(3, 8)).astype(np.float16),
    "val_labels": np.eye(3),
    "train_features": RNG.normal(size=(9, 8)),
    "train_labels": np.arange(9)[:, None] % 3,
}


def archive(path: Path, **changes: np.ndarray | None) -> Path:
    arrays = {name: array for name, array in {**ARRAYS, **changes}.items() if array is not None}
    np.savez(path, **arrays)
    return path


def test_an_archive_and_its_files_are_the_same(tmp_path: Path) -> None:
    """Every split, one-hot labels and columns of ids, the names; a file among others stands for its folder."""
    npz = read_features(
        archive(
            tmp_path / "birds.npz", class_names=np.array(["crow", "rook", "jay"]), logit_scale=np.array(50.0)
        )
    )
    assert npz.class_names == ("crow", "rook", "jay")
    assert npz.logit_scale == 50
    folder = tmp_path / "birds"
    folder.mkdir()
    for name, array in ARRAYS.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "classnames.txt").write_text("crow\nrook\njay\n")
    for path in (folder, folder / "test_features.npy"):
        files = read_features(path)
        assert files.class_names == npz.class_names
        for split in ("support", "validation", "test"):
            ours, theirs = getattr(files, split), getattr(npz, split)
            assert torch.equal(ours.features, theirs.features)
            assert torch.equal(ours.labels, theirs.labels)
    assert npz.support is not None
    assert npz.support.labels.tolist() == [0, 1, 2] * 3
    torch.testing.assert_close(npz.text, torch.nn.functional.normalize(torch.from_numpy(TEXT)))


def test_features_and_labels_alone_are_the_test_split(tmp_path: Path) -> None:
    """With the prompts kept elsewhere, in either orientation."""
    np.save(tmp_path / "text.npy", TEXT.T)
    np.savez(tmp_path / "x.npz", features=ARRAYS["test_features"], labels=ARRAYS["test_labels"])
    found = read_features(tmp_path / "x.npz", text=tmp_path / "text.npy")
    assert found.test is not None
    assert len(found.test) == 6
    assert found.support is None
    assert found.class_names == ("class 0", "class 1", "class 2")


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"test_labels": None, "val_features": None, "train_features": None}, InputError, "test_features: no labels beside it.*'test_labels'"),
        ({"text": None}, InputError, "no text classifier"),
        ({"test_labels": np.array([0, 1, 2, 3, 0, 1])}, InputError, "test_labels"),
        ({"test_labels": np.arange(5) % 3}, MismatchError, "expected 6 labels"),
        ({"test_features": RNG.normal(size=(6, 9))}, MismatchError, "width|shape"),
        ({"test_features": np.full((6, 8), np.nan)}, InputError, "test_features"),
        ({"text": np.array([object()] * 3)}, InputError, "damaged or would run code"),
        ({"class_names": np.array(["crow", "crow", "jay"])}, InputError, "more than once: 'crow'"),
        ({"class_names": np.array([1, 2, 3])}, InputError, "row of texts"),
        ({"logit_scale": np.array(-1.0)}, InputError, "greater than 0"),
        ({name: None for name in ARRAYS if "features" in name}, InputError, "no array of features"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(
    tmp_path: Path, changes: dict, error: type[SusxError], words: str
) -> None:
    """The file and the array; nothing is run that a file holds."""
    with pytest.raises(error, match=words):
        read_features(archive(tmp_path / "birds.npz", **changes))


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    """Whatever the reader of zip files says."""
    (tmp_path / "birds.npz").write_bytes(archive(tmp_path / "whole.npz").read_bytes()[:200])
    with pytest.raises(InputError, match="damaged"):
        read_features(tmp_path / "birds.npz")
