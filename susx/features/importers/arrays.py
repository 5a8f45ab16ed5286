"""Features as plain numpy arrays: one ``.npz``, or ``.npy`` files side by side.

    text                            (classes, dim), either orientation
    <split>_features                (rows, dim); split is train (or support), val (or validation), test
    <split>_labels                  (rows,) class ids, or one-hot
    <split>_patches                 (rows, patches, dim), where there are some
    class_names                     names, in an .npz; classnames.txt beside .npy files
    logit_scale                     a number; 100 without

``features`` and ``labels`` without a split are the test split.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from susx.errors import InputError
from susx.features.feature_set import FeatureSet, Split, checked_names, checked_split
from susx.features.importers.tensors import class_names_of, labels_of, load_tensor, text_rows

__all__ = ["looks_like_arrays", "read_arrays"]

_SPLITS = {
    "support": ("support", "train"),
    "validation": ("validation", "val"),
    "test": ("test", ""),
}
"""Our name of a split -> what its arrays are called."""


def looks_like_arrays(path: Path) -> bool:
    """Return whether it is an ``.npz``, an ``.npy``, or a folder with ``.npy`` files of a split."""
    if path.is_file():
        return path.suffix in (".npz", ".npy")
    return any((path / f"{name}.npy").exists() for _, name, _ in _names())


def read_arrays(path: Path, *, text: Path | None = None) -> FeatureSet:
    """Read features from arrays.

    Args:
        path: an ``.npz``; a folder of ``.npy`` files; one of these files, which stands for its folder.
        text: file of the text classifier; default the array of that name.

    Raises:
        InputError: no text classifier, features without labels, unusable rows or labels; names the array.
        MismatchError: arrays that do not fit each other.
    """
    folder = path if path.is_dir() else path.parent
    archive = path.suffix == ".npz" and path.is_file()
    arrays = _of_archive(path) if archive else _of_folder(folder)
    names = _class_names(arrays, path) if archive else class_names_of(folder)
    where = path if archive else folder

    def called(name: str) -> str:
        return f"{path}: {name}" if archive else str(folder / f"{name}.npy")

    held = {(split, kind): name for split, name, kind in _names() if name in arrays}
    if not any(kind == "features" for _, kind in held):
        raise InputError(
            f"{where}: no array of features. Expected test_features with test_labels (or val_, train_), found "
            f"{', '.join(sorted(arrays)[:8]) or 'nothing'}."
        )
    if text is None and "text" not in arrays:
        raise InputError(
            f"{where}: no text classifier. Put one row per class into {'the array' if archive else 'the file'} "
            f"text{'' if archive else '.npy'}, or name the file with --text."
        )
    width = next(arrays[name].shape[-1] for (_, kind), name in held.items() if kind == "features")
    matrix, text_file = (
        (load_tensor(text), text) if text else (_tensor(arrays["text"], called("text")), Path(called("text")))
    )
    rows = text_rows(matrix, text_file, width=width, classes=len(names) or None)
    splits: dict[str, Split] = {}
    for split in _SPLITS:
        if (split, "features") not in held:
            continue
        features = held[split, "features"]
        if (split, "labels") not in held:
            raise InputError(
                f"{called(features)}: no labels beside it. Put one class id a row into "
                f"'{features.replace('features', 'labels')}'."
            )
        labels = held[split, "labels"]
        patches = held.get((split, "patches"))
        splits[split] = checked_split(
            _tensor(arrays[features], called(features)),
            labels_of(_tensor(arrays[labels], called(labels)), len(rows), Path(called(labels))),
            rows, called(features), called(labels),
            None if patches is None else _tensor(arrays[patches], called(patches)),
        )  # fmt: skip
    return FeatureSet(
        class_names=checked_names(names, len(rows), str(where)), text=rows, logit_scale=_scale(arrays, called("logit_scale")),
        source=f"{path} (arrays)", support=splits.get("support"), validation=splits.get("validation"), test=splits.get("test"),
    )  # fmt: skip


def _names() -> list[tuple[str, str, str]]:
    """Return (split, name of the array, kind) of all that may be there; of two names the first counts."""
    return [
        (split, f"{prefix}_{kind}" if prefix else kind, kind)
        for split, prefixes in _SPLITS.items()
        for prefix in reversed(prefixes)
        for kind in ("features", "labels", "patches")
    ]


def _of_archive(path: Path) -> Mapping[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # zip files and headers raise what they like
        reason = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise InputError(
            f"{path}: expected an .npz of plain arrays, found something that is damaged or would run code when loaded ({reason}). "
            "Save it with numpy.savez."
        ) from error


def _of_folder(folder: Path) -> Mapping[str, np.ndarray]:
    wanted = {name for _, name, _ in _names()} | {"text", "logit_scale"}
    files = [folder / f"{name}.npy" for name in sorted(wanted)]
    return {file.stem: load_tensor(file).numpy() for file in files if file.is_file()}


def _class_names(arrays: Mapping[str, np.ndarray], path: Path) -> tuple[str, ...]:
    names = arrays.get("class_names")
    if names is None:
        return ()
    if names.ndim != 1 or names.dtype.kind not in "US":
        raise InputError(
            f"{path}: class_names must be a row of texts, found {names.dtype} of shape {names.shape}."
        )
    texts = np.char.decode(names, "utf-8") if names.dtype.kind == "S" else names
    return tuple(map(str, texts))


def _tensor(array: np.ndarray, name: str) -> Tensor:
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name}: expected numbers, found {array.dtype}.")
    return torch.from_numpy(np.ascontiguousarray(array))


def _scale(arrays: Mapping[str, np.ndarray], name: str) -> float:
    value = arrays.get("logit_scale")
    if value is None:
        return 100.0
    if value.size != 1 or not np.isfinite(value).all() or float(value.reshape(-1)[0]) <= 0:
        raise InputError(f"{name}: the logit scale must be one number greater than 0, found {value!r}.")
    return float(value.reshape(-1)[0])
