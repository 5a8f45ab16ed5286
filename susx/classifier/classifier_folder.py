"""Reading a classifier's folder: whatever was done to it, it is the classifier that was saved, or refused in a paragraph."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from susx.classifier.artefact import StoredClassifier, check_shapes
from susx.classifier.classifier_description import JSON, STATE, SUPPORT, TABLE, Description, read_description
from susx.errors import DamagedArtefact, InputError, MismatchError, SusxError
from susx.methods import ImageFeatures, Need, parameters
from susx.methods.state import Fitted, load_fitted
from susx.records import SupportRow, decode_rows
from susx.store import digest_file

__all__ = ["read_classifier"]


def read_classifier(folder: Path) -> StoredClassifier:
    """Read and verify a classifier.

    Every file must have the digest it was written with. That finds damage, and files of two classifiers in one folder;
    somebody who writes digests of their own is met by what follows: a schema, finite numbers, and a method that answers.

    Raises:
        InputError: the folder is no classifier, or one of another version of susx.
        MismatchError: its files do not fit each other.
        DamagedArtefact: a file is missing, altered, or not among those that were written.
    """
    folder = folder.resolve()  # of a run folder, the version that is current now: all files of one build
    description = read_description(folder)
    _check_files(folder, description)
    fitted = load_fitted(folder / STATE)
    _check_answers(fitted, folder / STATE)
    if (fitted.method.name, parameters(fitted.method)) != (
        description.method.name,
        description.method.hyper_parameters,
    ):
        raise MismatchError(f"{folder / JSON} describes another method than {STATE} holds. Build it anew.")
    support, rows = _read_support(folder) if SUPPORT in description.files else (None, ())
    try:
        check_shapes(description.facts, fitted, support, rows)
    except SusxError as error:
        raise type(error)(f"{folder}: {error} Build it anew.") from error
    return StoredClassifier(description.facts, fitted, support, rows)


def _check_files(folder: Path, description: Description) -> None:
    listed = description.files
    if STATE not in listed or (SUPPORT in listed) != (TABLE in listed):
        raise InputError(f"{folder / JSON} does not list the files of a classifier. Build it anew.")
    for name in (STATE, SUPPORT, TABLE):
        path, is_listed = folder / name, name in listed
        if is_listed and not path.is_file():
            state = "missing"
        elif not is_listed and path.exists():
            state = f"not among the files that {JSON} lists"
        elif is_listed and digest_file(path) != listed[name]:  # type: ignore[index]
            state = "altered"
        else:
            continue
        raise DamagedArtefact(f"{path} is {state}; copy the whole classifier again, or build it anew.")


def _check_answers(fitted: Fitted, path: Path) -> None:
    """Refuse a state that does not answer a class prompt with one finite score per class."""
    text = fitted.zero_shot.text
    try:
        for value in (text, *vars(fitted.state).values()):
            if isinstance(value, Tensor) and not bool(torch.isfinite(value).all()):
                raise ValueError("it holds numbers that are not finite")
        if text.ndim != 2 or not text.is_floating_point() or not text.numel():
            raise ValueError(f"its text classifier has shape {tuple(text.shape)} of {text.dtype}")
        query = text[:2]
        fitted.method.gives_zero_shot(fitted.state)
        if Need.QUERY_TEXT in fitted.method.needs:
            return  # answers with its encoder only; its state has checked that its parts fit each other
        patches = query[:, None, :] if Need.PATCHES in fitted.method.needs else None
        adapted = query if fitted.method.adapters(fitted.state) is not None else None
        views = query[:, None, :] if Need.VIEWS in fitted.method.needs else None
        logits = fitted.logits(ImageFeatures(query, patches, adapted, views))
        if logits.shape != (len(query), len(text)) or not bool(torch.isfinite(logits).all()):
            raise ValueError(f"its scores have shape {tuple(logits.shape)} or are not finite")
    except Exception as error:  # a hostile state may fail anywhere in the method
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(
            f"{path} holds no usable state of the method '{fitted.method.name}' ({reason}). Build it anew."
        ) from error


def _read_support(folder: Path) -> tuple[Tensor, tuple[SupportRow, ...]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        features = load_file(folder / SUPPORT)["image"]
        if features.ndim != 2 or not features.is_floating_point():
            raise ValueError(f"features of shape {tuple(features.shape)} and {features.dtype}")
        if not bool(torch.isfinite(features).all()):
            raise ValueError("features that are not finite")
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(
            f"{folder / SUPPORT} holds no features of support images ({error}). Build it anew."
        ) from error
    try:
        rows = tuple(decode_rows((folder / TABLE).read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"{folder / TABLE} is no table of support images ({error}). Build it anew."
        ) from error
    return features.float(), rows
