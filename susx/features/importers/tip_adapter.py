"""Feature caches as Tip-Adapter's code writes them.

    keys_{k}shots.pt    (dim, k * classes) support features, transposed
    values_{k}shots.pt  (k * classes, classes) their labels, one-hot
    val_f.pt val_l.pt test_f.pt test_l.pt    features and class ids of the two splits

The code saves no text classifier; text.npy or text.pt (either orientation) and classnames.txt are read
beside them.
"""

from __future__ import annotations

import re
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from susx.errors import InputError, MismatchError
from susx.features.feature_set import FeatureSet, Split, checked_names, checked_split
from susx.features.importers.tensors import class_names_of, labels_of, load_tensor, text_rows

__all__ = ["looks_like_tip_adapter", "read_tip_adapter"]

_KEYS = re.compile(r"keys_(\d+)shots\.pt")


def looks_like_tip_adapter(folder: Path) -> bool:
    """Return whether the folder holds a support cache or a split of Tip-Adapter."""
    return bool(_shots(folder)) or any((folder / name).exists() for name in ("val_f.pt", "test_f.pt"))


def read_tip_adapter(folder: Path, *, shots: int | None = None, text: Path | None = None) -> FeatureSet:
    """Read a cache folder.

    Args:
        folder: where the files are.
        shots: which ``keys_{shots}shots.pt``; default the one with the most.
        text: file of the text classifier; default text.npy or text.pt in the folder.

    Raises:
        InputError: no text classifier, a missing partner file, unusable rows or labels; names the file.
        MismatchError: files that do not belong together.
    """
    names = class_names_of(folder)
    text_file = text or next(
        (folder / name for name in ("text.npy", "text.pt") if (folder / name).exists()), None
    )
    if text_file is None:
        raise InputError(
            f"{folder}: no text classifier. Tip-Adapter's code saves none: put one row per class into text.npy, or "
            "name the file with --text."
        )
    held = {short: pair for short in ("val", "test") if (pair := _rows(folder, short)) is not None}
    keys = _keys(folder, shots)
    width = next((features.shape[1] for features, _ in held.values()), None)
    matrix = load_tensor(text_file)
    if width is None and keys is not None:
        width = next((side for side in matrix.shape if side in keys[0].shape), None)
    rows = text_rows(matrix, text_file, width=width, classes=len(names) or None)
    splits = {
        short: checked_split(
            features,
            labels_of(labels, len(rows), folder / f"{short}_l.pt"),
            rows,
            str(folder / f"{short}_f.pt"),
            str(folder / f"{short}_l.pt"),
        )
        for short, (features, labels) in held.items()
    }
    return FeatureSet(
        class_names=checked_names(names, len(rows), str(folder / "classnames.txt")),
        text=rows,
        support=None if keys is None else _support(folder, *keys, rows),
        validation=splits.get("val"),
        test=splits.get("test"),
        source=f"{folder} (Tip-Adapter cache)",
    )


def _shots(folder: Path) -> list[int]:
    return sorted(int(match[1]) for path in folder.iterdir() if (match := _KEYS.fullmatch(path.name)))


def _rows(folder: Path, short: str) -> tuple[Tensor, Tensor] | None:
    """Return features and labels of a split, or nothing where there are no features."""
    file = folder / f"{short}_f.pt"
    return (load_tensor(file), load_tensor(folder / f"{short}_l.pt")) if file.exists() else None


def _keys(folder: Path, shots: int | None) -> tuple[Tensor, int] | None:
    """Return the stored keys and their shots, or nothing where there are none and none were asked for."""
    held = _shots(folder)
    if shots is not None and shots not in held:
        raise InputError(
            f"{folder}: no keys_{shots}shots.pt; there are caches of {held or 'no'} shots. Choose one of them."
        )
    if not held:
        return None
    chosen = held[-1] if shots is None else shots
    return load_tensor(folder / f"keys_{chosen}shots.pt"), chosen


def _support(folder: Path, keys: Tensor, shots: int, text: Float[Tensor, "classes dim"]) -> Split:
    keys_file, values_file = folder / f"keys_{shots}shots.pt", folder / f"values_{shots}shots.pt"
    labels = labels_of(load_tensor(values_file), len(text), values_file)
    if keys.ndim != 2 or len(labels) not in keys.shape:
        raise MismatchError(
            f"{keys_file}: shape {tuple(keys.shape)} does not fit the {len(labels)} rows of {values_file}."
        )
    # Stored transposed; where both readings fit in length, the width decides.
    transposed = keys.shape[1] == len(labels) and keys.shape[0] == text.shape[1]
    features = keys.T.contiguous() if transposed else keys
    return checked_split(features, labels, text, str(keys_file), str(values_file))
