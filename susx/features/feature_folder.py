"""The project's own feature folder, and reading of any folder of features.

DIR/features.safetensors   text (classes, dim); support, validation and test each as
                           <split>.features (rows, dim), <split>.labels (rows,) and, where the encoder
                           yields them, <split>.patches (rows, patches, dim). Splits may be missing.
DIR/features.json          {"format": "susx-features", "version": 1, "class_names": [...],
                           "logit_scale": 100.0, "encoder": "...", "encoder_digest": "...", "source": "...",
                           "support_labelled": true}: false where nobody labelled the support
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from susx.encoder_id import EncoderId
from susx.errors import InputError
from susx.features.feature_set import SPLITS, FeatureSet, checked_names, checked_split
from susx.features.importers.arrays import looks_like_arrays, read_arrays
from susx.features.importers.sus_x import looks_like_sus_x, read_sus_x
from susx.features.importers.tip_adapter import looks_like_tip_adapter, read_tip_adapter
from susx.methods.unit_rows import checked_unit_rows
from susx.modes import plain_mode
from susx.store.disk import whole_file

__all__ = ["read_features", "read_native", "write_features"]

_TENSORS, _FACTS = "features.safetensors", "features.json"
_FORMAT, _VERSION = "susx-features", 1


class _Facts(BaseModel):
    model_config = ConfigDict(strict=True)

    class_names: tuple[str, ...]
    logit_scale: Annotated[FiniteFloat, Field(gt=0)]
    source: str = ""
    encoder: str = ""
    encoder_digest: str = ""
    support_labelled: bool = True


def read_features(
    folder: Path,
    *,
    shots: int | None = None,
    dataset: str | None = None,
    backbone: str | None = None,
    support: str | None = None,
    prompts: str | None = None,
    text: Path | None = None,
) -> FeatureSet:
    """Read features in whichever of the four layouts they are.

    Args:
        folder: this project's layout, a Tip-Adapter cache folder, an official SuS-X feature folder, plain arrays (an ``.npz`` or
            ``.npy`` files).
        shots: which ``keys_{shots}shots.pt`` of a Tip-Adapter folder; default the most.
        dataset, backbone, support, prompts: which files of a SuS-X folder that holds several.
        text: a text classifier kept elsewhere (.npy, .pt), for the three other layouts.

    Raises:
        InputError: no such folder, no known layout, a choice that it does not have, or unusable contents; names the file.
        MismatchError: files that do not belong together.
    """
    choices = {"shots": shots, "backbone": backbone, "support": support, "prompts": prompts, "text": text}
    if folder.is_file() and looks_like_arrays(folder):
        _refuse_others(folder, "a file of arrays", choices, "text")
        return read_arrays(folder, text=text)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder. Give a folder of features, an .npz or .npy files of arrays."
        )
    if (folder / _TENSORS).exists():
        _refuse_others(folder, "this project's folder of features", choices)
        return read_native(folder)
    if looks_like_tip_adapter(folder):
        _refuse_others(folder, "a Tip-Adapter folder", choices, "shots", "text")
        return read_tip_adapter(folder, shots=shots, text=text)
    if looks_like_sus_x(folder):
        _refuse_others(folder, "a SuS-X folder", choices, "backbone", "support", "prompts", "text")
        return read_sus_x(
            folder, dataset=dataset, backbone=backbone, support=support, prompts=prompts, text=text
        )
    if looks_like_arrays(folder):
        _refuse_others(folder, "a folder of arrays", choices, "text")
        return read_arrays(folder, text=text)
    listing = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
    raise InputError(
        f"{folder}: no features in a known layout. Expected {_TENSORS} (this project), keys_*shots.pt, val_f.pt or "
        f"test_f.pt (Tip-Adapter), *_f_test_m*.pt (SuS-X), or test_features.npy (arrays); found {listing}."
    )


def _refuse_others(folder: Path, kind: str, choices: Mapping[str, object], *taken: str) -> None:
    """Refuse a choice among files that this kind of folder does not have.

    Raises:
        InputError: names the choice.
    """
    for name, value in choices.items():
        if value is not None and name not in taken:
            raise InputError(f"{folder} is {kind}, where --{name} ({value}) chooses nothing. Leave it out.")


def read_native(folder: Path) -> FeatureSet:
    """Read this project's layout.

    Raises:
        InputError: a missing, damaged or foreign file, or unusable rows.
        MismatchError: tensors that do not fit each other.
    """
    tensors_file, facts_file = folder / _TENSORS, folder / _FACTS
    try:
        tensors, text_of_facts = load_file(tensors_file), facts_file.read_text(encoding="utf-8")
        facts = json.loads(text_of_facts)
    except (OSError, SafetensorError, ValueError, RecursionError) as error:
        raise InputError(
            f"{folder}: {_TENSORS} or {_FACTS} cannot be read ({error}). Run susx import-features again."
        ) from error
    if not isinstance(facts, dict) or (facts.get("format"), facts.get("version")) != (_FORMAT, _VERSION):
        format_and_version = (
            [str(facts.get(key))[:40] for key in ("format", "version")]
            if isinstance(facts, dict)
            else ["none"] * 2
        )
        raise InputError(
            f"{facts_file}: expected format {_FORMAT} version {_VERSION}, found {format_and_version[0]} version {format_and_version[1]}. Run susx "
            "import-features with this version."
        )
    try:
        described = _Facts.model_validate_json(text_of_facts)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"{facts_file}: {'.'.join(map(str, first['loc']))[:100]}: {first['msg']}. Run susx import-features again."
        ) from error
    if "text" not in tensors:
        raise InputError(
            f"{tensors_file}: holds no text classifier (key 'text'). Run susx import-features again."
        )
    text = checked_unit_rows(tensors["text"], f"{tensors_file} text")
    splits = {}
    for split in SPLITS:
        names = [f"{split}.features", f"{split}.labels"]
        if any(name in tensors for name in names):
            if not all(name in tensors for name in names):
                raise InputError(f"{tensors_file}: {names[0]} and {names[1]} go together; only one is there.")
            splits[split] = checked_split(
                tensors[names[0]],
                tensors[names[1]],
                text,
                f"{tensors_file} {names[0]}",
                f"{tensors_file} {names[1]}",
                tensors.get(f"{split}.patches"),
            )
    return FeatureSet(
        class_names=checked_names(described.class_names, len(text), str(facts_file)),
        text=text,
        logit_scale=described.logit_scale,
        source=described.source,
        encoder=EncoderId(described.encoder, described.encoder_digest),
        support_labelled=described.support_labelled,
        support=splits.get("support"),
        validation=splits.get("validation"),
        test=splits.get("test"),
    )


def write_features(features: FeatureSet, folder: Path) -> Path:
    """Write this project's layout and return the folder.

    Raises:
        InputError: the folder cannot be written.
    """
    # Copies: safetensors refuses tensors that share memory, as two splits of one file may.
    tensors = {"text": features.text.clone(memory_format=torch.contiguous_format)}
    for split in SPLITS:
        rows = getattr(features, split)
        if rows is not None:
            tensors[f"{split}.features"] = rows.features.clone(memory_format=torch.contiguous_format)
            tensors[f"{split}.labels"] = rows.labels.clone(memory_format=torch.contiguous_format)
            if rows.patches is not None:
                tensors[f"{split}.patches"] = rows.patches.clone(memory_format=torch.contiguous_format)
    facts = {
        "format": _FORMAT,
        "version": _VERSION,
        "class_names": list(features.class_names),
        "logit_scale": features.logit_scale,
        "encoder": features.encoder.model,
        "encoder_digest": features.encoder.digest,
        "source": features.source,
        "support_labelled": features.support_labelled,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / _TENSORS) as partial:
            save_file(tensors, partial)
            plain_mode(partial)
        with whole_file(folder / _FACTS) as partial:
            partial.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder}: features cannot be written ({error}). Choose another folder.") from error
    return folder
