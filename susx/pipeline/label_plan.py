"""From what a person asks of ``susx label`` to a plan: names resolved, encoder and pool found, folder looked into."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susx.config import DatasetConfig, ProfileConfig, load_profile
from susx.config.complaints import complaints
from susx.errors import ConfigError, InputError, did_you_mean
from susx.features.identity import identify_encoder
from susx.images.retrieve.backends import Delivers, backend_settings
from susx.labelling.corrections import CORRECTIONS, Corrections, read_corrections
from susx.naming import without_sentences
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.label_options import LabelOptions, class_list
from susx.pipeline.label_parts import Folder, look_into
from susx.pipeline.plan import PROMPTS, worded
from susx.store import ArtefactStore
from susx.types import Digest

__all__ = ["LabelPlan", "plan_label"]

_METHOD = "whitened_prototypes"
_LIBRARIES = ("susx", "torch", "open_clip_torch", "numpy")


@dataclass(frozen=True)
class LabelPlan:
    """Everything a labelling is determined by.

    Attributes:
        build: classes, profile, encoder and pool, as a build has them.
        folder: the photographs.
        corrected: digest -> what a person said of it.
        pool: what is read besides the names, for people; "" where there is nothing but the folder.
        out: folder of the result.
        store: address of the store.
        settings: of the profile, as they were given.
    """

    build: BuildPlan
    folder: Folder
    corrected: Mapping[Digest, str]
    pool: str
    out: Path
    store: str
    settings: tuple[str, ...] = ()
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)


def plan_label(
    options: LabelOptions, store: ArtefactStore, dataset: DatasetConfig | None = None, *, save: bool = True
) -> LabelPlan:
    """Resolve what was asked for.

    Args:
        options: what was asked for.
        store: remembers digests of files.
        dataset: the classes, where they are no file and no list of names.
        save: whether the result goes to a folder, which must be fit for it.

    Raises:
        ConfigError: an unknown name or a bad value, two classes that no prompt tells apart.
        InputError: no such folder, no photographs in it, a result's folder that holds something else, corrections of another folder.
        ModelError, RetrievalError, MismatchError: an encoder or pool that is not there or does not fit.
    """
    dataset = class_list(options) if dataset is None else dataset
    out = Path(os.path.abspath(Path(options.out).expanduser()))
    if save:
        _check_out(out, Path(options.folder).expanduser())
    corrections, source = _corrections(options, out if save else None)
    if added := corrections.new_classes(dataset.classes):
        dataset = _with_classes(dataset, added, source)
    profile = _profile(options, dataset)
    build = _planned(options, dataset, profile)
    _check_sentences(build)
    folder = look_into(Path(options.folder), store, leave=out if save else None)
    if not folder.photos:
        raise InputError(_nothing(folder))
    answers = corrections.by_digest(folder.photos)
    if unknown := corrections.unknown(folder.photos):
        build = _noted(build, unknown, len(corrections), source)
    pool = "" if build.backend is None else options.pool or _pool_name(profile)
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return LabelPlan(build, folder, answers, pool, out, store.address, options.settings, versions)


def _profile(options: LabelOptions, dataset: DatasetConfig) -> ProfileConfig:
    overrides: dict[str, Any] = {
        "methods": {_METHOD: {}},
        "tuning": ["fixed"],
        "headline": f"{_METHOD}/fixed",
    }
    if options.prompts is not None:
        if options.prompts not in PROMPTS:
            raise ConfigError(f"Unknown prompts '{options.prompts}'.{did_you_mean(options.prompts, PROMPTS)}")
        overrides |= PROMPTS[options.prompts]
    if options.pool is not None:
        if options.no_pool:
            raise ConfigError("--pool and --no-pool contradict each other: give one of them.")
        folder = Path(options.pool).expanduser()
        if not folder.is_dir():
            raise ConfigError(
                f"--pool {folder} is no folder; give an index (susx index build) or one with features.npy."
            )
        kind = "features" if (folder / "features.npy").is_file() else "index"
        overrides |= {"retrieval.backend": kind, "retrieval.folder": str(folder)}
    # What a person set of the method is a part of it: overrides come after settings, and would undo that.
    if any(setting.startswith(f"methods.{_METHOD}") for setting in options.settings):
        del overrides["methods"]
    profile = load_profile(options.profile, options.settings, overrides)
    methods = {_METHOD: profile.methods.get(_METHOD, {})}
    return profile.model_copy(
        update={"methods": methods, "prompts": without_sentences(profile.prompts, dataset)[0]}
    )


def _planned(options: LabelOptions, dataset: DatasetConfig, profile: ProfileConfig) -> BuildPlan:
    encoder = identify_encoder(profile.encoder).id
    plan = BuildPlan(
        dataset=dataset.model_copy(update={"examples": None} if not dataset.unnamed else {}),
        profile=profile.model_copy(update={"reference_pool": False}), sources=(), encoder=encoder,
    )  # fmt: skip
    _ = plan.headline
    retrieval = backend_settings(profile.retrieval)
    whole = Delivers.WHOLE in retrieval.delivers and (
        profile.retrieval.backend == "demo" or getattr(retrieval, "folder", None)
    )
    if options.no_pool or not whole:
        note = "" if options.no_pool else (
            "The profile names no pool whose features can be read (retrieval.backend index or features, with a folder): the folder is "
            "labelled by names and by itself. A pool of any photographs helps: --pool DIR."
        )  # fmt: skip
        return worded(dataclasses.replace(plan, notes=(note,) if note else ()))
    return worded(dataclasses.replace(plan, sources=("retrieve",), backend=retrieval.identity(encoder)))


def _pool_name(profile: ProfileConfig) -> str:
    if profile.retrieval.backend == "demo":
        return "the embedded pool"
    return str(getattr(backend_settings(profile.retrieval), "folder", ""))


def _check_out(out: Path, folder: Path) -> None:
    """Refuse a result's folder before any work."""
    from susx.labelling.label_result import check_folder

    check_folder(out)
    if folder.is_dir() and out.exists() and os.path.samefile(out, folder):
        raise InputError(
            f"--out is the folder of photographs itself ({folder}). Give another one; nothing is written there."
        )


def _corrections(options: LabelOptions, out: Path | None) -> tuple[Corrections, Path]:
    if options.corrections is not None:
        source = Path(options.corrections).expanduser()
        return read_corrections(source), source
    if out is None or not out.is_dir():
        return Corrections({}), Path(CORRECTIONS)
    return read_corrections(out), out / CORRECTIONS


def _with_classes(dataset: DatasetConfig, added: tuple[str, ...], source: Path) -> DatasetConfig:
    """Return the data set with the classes that people added."""
    from pydantic import ValidationError

    try:
        return DatasetConfig.model_validate(dataset.model_dump() | {"classes": (*dataset.classes, *added)})
    except ValidationError as error:
        reason = complaints(error)
        raise ConfigError(
            f"{source} gives images a class that cannot be one: {reason}. Correct the line, or take it out."
        ) from error


def _check_sentences(plan: BuildPlan) -> None:
    """Refuse two classes of which the same is said.

    Raises:
        ConfigError: names the two.
    """
    owner: dict[tuple[str, ...], str] = {}
    for name, of in plan.sentences.items():
        if name in plan.unnamed:
            continue
        other = owner.setdefault(tuple(sentence.casefold() for sentence in of.classify), name)
        if other != name:
            raise ConfigError(
                f"The classes '{other}' and '{name}' have the same prompts ('{of.classify[0]}'): nothing tells one from the other. "
                "Leave one out, or give one of them sentences of its own (a YAML with prompts: susx datasets new)."
            )


def _noted(build: BuildPlan, unknown: tuple[str, ...], count: int, source: Path) -> BuildPlan:
    some = ", ".join(unknown[:3]) + (" ..." if len(unknown) > 3 else "")
    return dataclasses.replace(
        build, notes=(*build.notes, f"{len(unknown)} of the {count} answers in {source} are about files that are not in the folder, and are "
                                    f"left aside: {some}."),
    )  # fmt: skip


def _nothing(folder: Folder) -> str:
    reasons = Counter(folder.passed_over) + Counter(folder.left_out.values())
    counted = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
    return f"The folder {folder.path} holds no photographs that can be read.{f' Passed over: {counted}.' if counted else ''}"
