"""Feature files as the official SuS-X scripts write them, any number of data sets and backbones in one
folder.

    {dataset}_f_{val,test}_m{backbone}.pt        (rows, dim) image features
    {dataset}_t_{val,test}_m{backbone}.pt        (rows,) class ids
    sus_{lc,sd}_{photo,cupl}_{dataset}_f_m{backbone}.pt   (dim, rows) support features, transposed
    sus_{lc,sd}_{photo,cupl}_{dataset}_t_m{backbone}.pt   (rows, classes) one-hot labels
    {dataset}_zeroshot_text_weights_m{backbone}_pt{prompts}.pt    (dim, classes) text classifier

The scripts number the support classes by the alphabetical order of their folders, and the text classifier's
columns by the data set's list. With class names at hand (classnames.txt) the labels are translated where the
text classifier itself agrees better with the translated ones; see ``column_labels``.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from susx.encoder_id import EncoderId
from susx.errors import InputError, MismatchError
from susx.features.feature_set import FeatureSet, Split, checked_names, checked_split
from susx.features.importers.tensors import class_names_of, labels_of, load_tensor, text_rows

__all__ = ["column_labels", "looks_like_sus_x", "read_sus_x"]

_log = logging.getLogger(__name__)

_SPLIT = re.compile(r"(?P<dataset>.+)_f_(?:val|test)_m(?P<backbone>[^_]+)\.pt")
_TEXT = re.compile(r"(?P<dataset>.+)_zeroshot_text_weights_m(?P<backbone>[^_]+)_pt(?P<prompts>.+)\.pt")
_SUPPORT = re.compile(r"sus_(?P<support>[^_]+_[^_]+)_(?P<dataset>.+)_f_m(?P<backbone>[^_]+)\.pt")
_PROMPT_ORDER = ("combined", "cupl", "ensemble")


def looks_like_sus_x(folder: Path) -> bool:
    """Return whether the folder holds a split or a support set of SuS-X."""
    return any(_SPLIT.fullmatch(path.name) or _SUPPORT.fullmatch(path.name) for path in folder.iterdir())


def read_sus_x(
    folder: Path,
    *,
    dataset: str | None = None,
    backbone: str | None = None,
    support: str | None = None,
    prompts: str | None = None,
    text: Path | None = None,
) -> FeatureSet:
    """Read one data set under one backbone.

    Args:
        folder: where the files are.
        dataset, backbone: as in the file names; needed where the folder holds several.
        support: ``lc_photo``, ``sd_cupl`` ...; needed where there are several support sets of that data set.
        prompts: text classifier (``combined``, ``cupl``, ``ensemble`` ...); default the first of these three.
        text: a text classifier kept elsewhere.

    Raises:
        InputError: an ambiguous or missing choice, or unusable contents; names what there is.
        MismatchError: files that do not belong together.
    """
    files = sorted(path.name for path in folder.iterdir())
    matches = [m.groupdict() for name in files for m in (_SUPPORT.fullmatch(name) or _split_of(name),) if m]
    dataset = _choose(folder, "dataset", {f["dataset"] for f in matches}, dataset)
    matches = [f for f in matches if f["dataset"] == dataset]
    backbone = _choose(folder, "backbone", {f["backbone"] for f in matches}, backbone)
    matches = [f for f in matches if f["backbone"] == backbone]
    supports = {f["support"] for f in matches if "support" in f}
    chosen = _choose(folder, "support", supports, support) if supports or support else None

    names = class_names_of(folder)
    held = {split: folder / f"{dataset}_f_{split}_m{backbone}.pt" for split in ("val", "test")}
    rows = {split: load_tensor(file) for split, file in held.items() if file.exists()}
    keys_file = folder / f"sus_{chosen}_{dataset}_f_m{backbone}.pt"
    keys = load_tensor(keys_file) if chosen else None
    text_file = text or _text_file(folder, files, dataset, backbone, prompts)
    matrix = load_tensor(text_file)
    width = next((features.shape[1] for features in rows.values()), None) or (
        keys.shape[0] if keys is not None else None
    )
    weights = text_rows(matrix, text_file, width=width, classes=len(names) or None)
    names = checked_names(names, len(weights), str(folder / "classnames.txt"))
    splits = {
        split: checked_split(
            features,
            _labels(held[split], len(weights)),
            weights,
            str(held[split]),
            str(_partner(held[split])),
        )
        for split, features in rows.items()
    }
    return FeatureSet(
        class_names=names,
        text=weights,
        support=None
        if keys is None
        else _support(keys, keys_file, weights, names, bool(class_names_of(folder))),
        validation=splits.get("val"),
        test=splits.get("test"),
        source=f"{folder} (SuS-X {dataset} {backbone} {chosen or 'no support'})",
        encoder=EncoderId(backbone),
        support_labelled=False,
    )


def column_labels(
    labels: Int64[Tensor, " support"],
    features: Float[Tensor, "support dim"],
    text: Float[Tensor, "classes dim"],
    names: tuple[str, ...],
) -> Int64[Tensor, " support"]:
    """Return labels that number the classes as the text classifier does.

    Both readings are tried: labels as they are, and labels as positions in the alphabetical order of the
    names. The one that the text classifier's own predictions agree with more often is taken, and a
    translation is logged.
    """
    order = torch.tensor(
        sorted(range(len(names)), key=lambda i: names[i].replace("/", "_").replace(" ", "_"))
    )
    translated = order[labels]
    predicted = (features @ text.T).argmax(dim=1)
    as_is, moved = (float((predicted == reading).float().mean()) for reading in (labels, translated))
    if moved <= as_is:
        return labels
    _log.warning(
        "Support labels follow the alphabetical order of the class folders, not the text classifier: translated "
        "(agreement with zero-shot %.0f %% instead of %.0f %%).", 100 * moved, 100 * as_is,
    )  # fmt: skip
    return translated


def _support(keys: Tensor, file: Path, text: Tensor, names: tuple[str, ...], named: bool) -> Split:
    labels = _labels(file, len(text))
    if keys.ndim != 2 or len(labels) not in keys.shape:
        raise MismatchError(
            f"{file}: shape {tuple(keys.shape)} does not fit the {len(labels)} rows of {_partner(file)}."
        )
    transposed = keys.shape[1] == len(labels) and keys.shape[0] == text.shape[1]
    split = checked_split(
        keys.T.contiguous() if transposed else keys, labels, text, str(file), str(_partner(file))
    )
    return Split(split.features, column_labels(split.labels, split.features, text, names)) if named else split


def _split_of(name: str) -> re.Match[str] | None:
    return None if name.startswith("sus_") else _SPLIT.fullmatch(name)


def _partner(file: Path) -> Path:
    """Return the label file of a feature file."""
    head, _, tail = file.name.rpartition("_f_")
    return file.with_name(f"{head}_t_{tail}")


def _labels(file: Path, classes: int) -> Tensor:
    return labels_of(load_tensor(_partner(file)), classes, _partner(file))


def _text_file(folder: Path, files: list[str], dataset: str, backbone: str, prompts: str | None) -> Path:
    kinds = {
        m["prompts"]
        for name in files
        if (m := _TEXT.fullmatch(name)) and m["dataset"] == dataset and m["backbone"] == backbone
    }
    preferred = prompts or next((kind for kind in _PROMPT_ORDER if kind in kinds), None)
    chosen = _choose(folder, "prompts", kinds, preferred)
    return folder / f"{dataset}_zeroshot_text_weights_m{backbone}_pt{chosen}.pt"


def _choose(folder: Path, what: str, held: set[str], wanted: str | None) -> str:
    """Return the wanted one, or the only one there is.

    Raises:
        InputError: it is not there, or there are several and none was named.
    """
    listed = ", ".join(sorted(held)) or "none"
    if wanted is not None:
        if wanted not in held:
            raise InputError(f"{folder}: no {what} '{wanted}' among the SuS-X files; there is {listed}.")
        return wanted
    if len(held) != 1:
        raise InputError(
            f"{folder}: the SuS-X files hold more than one or no {what} ({listed}). Name one with --{what}."
        )
    return next(iter(held))
