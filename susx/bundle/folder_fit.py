"""``folder.npz``: what is known of the classes before a folder is looked at, for ``susx label --bundle``."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from susx.bundle.bundle_folder import StoredBundle
from susx.errors import ConfigError, InputError
from susx.methods.functional.folder_prototypes import InductiveFit, LabelledFit
from susx.methods.functional.insiders import Surrogates

if TYPE_CHECKING:
    from susx.classifier.artefact import StoredClassifier

__all__ = ["FILE", "read_fit", "write_fit"]

FILE = "folder.npz"

_ELSEWHERE = frozenset({"text", "logit_scale", "pool_is_folder", "outer"})
"""Fields that are other files' of a bundle, or are written in another form."""


def write_fit(stored: StoredClassifier, path: Path) -> bool:
    """Write what a classifier knows of its classes, and return whether it knows any more than their names: without support images
    nothing is written.

    A classifier of another method than whitened prototypes is fitted anew on its support images, at published hyper-parameters.
    """
    from susx.methods import Evidence, FolderPrototypes
    from susx.methods.folder_prototypes import FolderPrototypesState
    from susx.methods.whitened_prototypes import WhitenedPrototypesState

    if stored.support is None or not len(stored.support):
        return False
    import torch

    names = {name: number for number, name in enumerate(stored.facts.class_names)}
    labels = torch.tensor([names[row.class_name] for row in stored.rows], dtype=torch.int64)
    zero_shot = stored.zero_shot
    evidence = Evidence(
        zero_shot.text, zero_shot.logit_scale, stored.support.float(), labels, class_names=tuple(names)
    )
    state = FolderPrototypes().fit(evidence)
    if isinstance(stored.state, WhitenedPrototypesState) and not isinstance(
        stored.state, FolderPrototypesState
    ):
        state = FolderPrototypesState(
            **vars(stored.state), pool_mean=state.pool_mean, pool_covariance=state.pool_covariance
        )
    elif isinstance(stored.state, FolderPrototypesState):
        state = stored.state
    fit = state.inductive
    numbers = {field.name: getattr(fit, field.name) for field in dataclasses.fields(fit)}
    arrays = {
        name: np.asarray(value, dtype=np.float32) for name, value in numbers.items() if name not in _ELSEWHERE
    }
    arrays["outer"] = np.array(dataclasses.astuple(fit.outsiders), dtype=np.float64)
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    return True


def read_fit(stored: StoredBundle) -> InductiveFit:
    """Return what a bundle knows of its classes, as arrays of numpy.

    Raises:
        ConfigError: it was exported from a classifier without support images.
        InputError: the file holds something else.
    """
    path = stored.folder / FILE
    if FILE not in stored.description.files:
        raise ConfigError(
            f"{stored.folder} was made of a classifier without support images, so it knows no more than names, from which a folder is not "
            "labelled here. Use susx predict --bundle for each image alone, or susx label FOLDER --names with susx[build]."
        )
    dim, classes = stored.description.encoder.dim, len(stored.description.class_names)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        outer = Surrogates(*map(float, arrays.pop("outer")))
        fit = _of(arrays, stored, outer)
        _check(fit, dim, classes)
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} does not hold what a folder is labelled from ({error}). Export the bundle anew."
        ) from error
    return fit


def _of(arrays: dict[str, np.ndarray], stored: StoredBundle, outer: Surrogates) -> InductiveFit:
    kind = LabelledFit if "trust" in arrays else InductiveFit
    fields: dict[str, Any] = dict(arrays)
    for name in ("pool_mean", "pool_covariance"):
        fields[name] = arrays[name].astype(np.float64)
    if kind is LabelledFit:
        fields |= {"stranger": float(arrays["stranger"]), "every_class": bool(arrays["every_class"])}
    return kind(
        text=stored.classes, logit_scale=stored.description.encoder.logit_scale, outer=outer, **fields
    )


def _check(fit: InductiveFit, dim: int, classes: int) -> None:
    shapes = {
        "mean": (dim,), "matrix": (dim, dim), "prototypes": (classes, dim), "offset": (classes,), "pool_mean": (dim,),
        "pool_covariance": (dim, dim), "labelled_mean": (dim,), "labelled_matrix": (dim, dim), "labelled_prototypes": (classes, dim),
        "trust": (classes,),
    }  # fmt: skip
    for name, shape in shapes.items():
        values = getattr(fit, name, None)
        if values is not None and (values.shape != shape or not np.isfinite(values).all()):
            raise ValueError(f"{name} of shape {values.shape}, expected {shape} of finite numbers")
