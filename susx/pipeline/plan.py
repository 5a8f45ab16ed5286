"""From what a person asked for to a :class:`BuildPlan`: names resolved, weights and sources fingerprinted."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from susx.config import DatasetConfig, load_dataset, load_profile
from susx.datasets import TargetSplit, read_split
from susx.errors import ConfigError, did_you_mean
from susx.features.identity import identify_encoder
from susx.images.examples import find_examples
from susx.images.retrieve.backends import Delivers, backend_settings, known_backends
from susx.naming import without_sentences
from susx.pipeline.build_plan import BuildPlan, LabelledImages
from susx.pipeline.from_labels import LABELS, described, labelled_images
from susx.pipeline.generator_identity import identify_generator
from susx.pipeline.options import BuildOptions
from susx.pipeline.split_identity import split_identity
from susx.store import FileDigests

__all__ = ["MODES", "PROMPTS", "BuildOptions", "plan_build", "worded"]

MODES = ("retrieve", "generate")

_file_digests = FileDigests()

_LIBRARIES = ("torch", "open_clip_torch", "diffusers", "transformers", "numpy", "prefect")
"""Those whose version a report names: they decide the last digits, or who recorded the run."""


PROMPTS: Mapping[str, Mapping[str, Any]] = {
    "photo": {"prompts.images": "photo", "prompts.classify": "single"},
    "ensemble": {"prompts.images": "photo", "prompts.classify": "ensemble"},
    "cupl": {"prompts.images": "cupl", "prompts.classify": "cupl+ensemble"},
}
"""What ``--prompts`` stands for."""


def plan_build(options: BuildOptions, dataset: DatasetConfig | None = None) -> BuildPlan:
    """Resolve the options of a build.

    Args:
        options: what was asked for.
        dataset: the data set itself, where it is no name or path of a YAML.

    Raises:
        ConfigError: an unknown name or a bad value.
        ModelError: an encoder or diffusion model that is not there.
        RetrievalError, MismatchError: an index that cannot be used.
    """
    result = None
    if options.from_labels is not None:
        options, dataset, result = described(options)
    elif not options.dataset and dataset is None:
        raise ConfigError(
            "A build needs --dataset (a name in configs/datasets/, or the path of a YAML), or --from-labels RESULT."
        )
    sources = tuple(dict.fromkeys(part.strip() for part in options.mode.split(",")))
    for source in sources:
        if source not in MODES:
            raise ConfigError(
                f"Unknown mode '{source}'.{did_you_mean(source, MODES)} Modes may be joined by a comma."
            )
    overrides: dict[str, Any] = {}
    if options.prompts is not None:
        if options.prompts not in PROMPTS:
            raise ConfigError(f"Unknown prompts '{options.prompts}'.{did_you_mean(options.prompts, PROMPTS)}")
        overrides |= PROMPTS[options.prompts]
    for key, value in (("per_class", options.per_class), ("seed", options.seed)):
        overrides |= {key: value} if value is not None else {}
    overrides |= _retrieval(options)
    dataset = load_dataset(options.dataset) if dataset is None else dataset
    profile = load_profile(options.profile, options.settings, overrides)
    used, note = without_sentences(profile.prompts, dataset)
    profile = profile.model_copy(update={"prompts": used})
    retrieval, encoder = backend_settings(profile.retrieval), identify_encoder(profile.encoder).id
    root = Path(options.data_root).expanduser() if options.data_root else None
    examples = _examples(dataset)
    labelled: Mapping[str, LabelledImages] = {}
    if result is not None:
        sources, labelled = (LABELS,), labelled_images(result, profile.per_class)
        # None of them is one too many.
        most = max(len(of.by_people) + len(of.sure) for of in labelled.values())
        profile = profile.model_copy(update={"per_class": max(profile.per_class, most)})
    splits = _splits(dataset, root) if options.evaluate else {}
    label_counts, cut = _labelled(splits)
    plan = BuildPlan(
        dataset=dataset,
        profile=profile,
        sources=sources,
        encoder=encoder,
        generator=identify_generator(profile.generation) if "generate" in sources else None,
        examples=examples,
        labelled=labelled,
        splits={name: split_identity(dataset, split) for name, split in splits.items()},
        labelled_images=label_counts,
        data_root=root,
        notes=tuple(filter(None, (note, _without_examples(dataset, examples), cut))),
        run={
            "command": options.command(),
            "mode": ",".join(sources),
            "evaluate": options.evaluate,
            "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        },
    )
    # Refused here, before any work: a method, hyper-parameter or headline that cannot be.
    _ = plan.headline
    if not plan.reads_pool:
        return worded(plan)
    if "retrieve" not in sources and Delivers.WHOLE not in retrieval.delivers:
        raise ConfigError(
            f"reference_pool needs a pool whose features can all be read (retrieval.backend index, features or demo), and "
            f"retrieval.backend is {profile.retrieval.backend}."
        )
    return worded(dataclasses.replace(plan, backend=retrieval.identity(encoder)))


def _retrieval(options: BuildOptions) -> dict[str, Any]:
    """Return what ``--source`` and ``--licence`` set in the profile."""
    changes: dict[str, Any] = {}
    if options.source is not None:
        sources = [part.strip() for part in options.source.split(",") if part.strip()]
        for source in sources:
            if source not in known_backends():
                raise ConfigError(
                    f"--source: there is no source '{source}'.{did_you_mean(source, known_backends())}"
                )
        if not sources:
            raise ConfigError(f"--source names no source; give one of {', '.join(known_backends())}.")
        changes = {"retrieval.backend": sources[0]}
        if len(sources) > 1:
            changes = {"retrieval.backend": "chain", "retrieval.sources": sources}
    if options.licence is not None:
        changes["retrieval.licence"] = [part.strip() for part in options.licence.split(",") if part.strip()]
    return changes


def _examples(dataset: DatasetConfig) -> dict[str, dict[str, str]]:
    """Return class -> file -> digest of its own images."""
    if dataset.examples is None:
        return {}
    folder = Path(dataset.examples)
    files_of = find_examples(folder, dataset.classes)
    try:
        examples = {
            name: {file: _file_digests(folder / file) for file in files} for name, files in files_of.items()
        }
    except OSError as error:
        raise ConfigError(f"A example image cannot be read: {error}.") from error
    for name in dataset.unnamed:
        if name not in examples:
            raise ConfigError(
                f"'{name}' is unnamed and has no images in {folder}; put some into {folder / name}."
            )
    return examples


def _without_examples(dataset: DatasetConfig, examples: Mapping[str, object]) -> str:
    if dataset.examples is None or examples:
        return ""
    return f"The folder of examples {dataset.examples} holds no images: the classes are known by their names alone."


def worded(plan: BuildPlan) -> BuildPlan:
    """Say which aliases are not looked at, and refuse an unnamed class that nothing can speak for.

    Raises:
        ConfigError: no captions are at hand, or the backend cannot search by image.
    """
    if plan.unnamed and not (plan.captioned and plan.retrieval.takes_features):
        raise ConfigError(
            f"'{plan.unnamed[0]}' is unnamed: captions of pool images like its examples speak for it, and this build reads no pool "
            "with captions that can be searched by image (retrieval.backend index, features or demo, mode retrieve). Give it a name."
        )
    aliases = plan.dataset.aliases
    if aliases and not plan.captioned:
        note = "Aliases are left aside: no captions of a pool are at hand to count them in."
        return dataclasses.replace(plan, notes=(*plan.notes, note))
    left = [
        f"'{alias}' (of '{name}')" for name, aliases_of in aliases.items() for alias in aliases_of if alias not in plan.aliases.get(name, {})
    ]  # fmt: skip
    if left:
        note = (
            f"Aliases that name another class, or a class that is unnamed, are left aside: {', '.join(left)}."
        )
        return dataclasses.replace(plan, notes=(*plan.notes, note))
    return plan


def _splits(dataset: DatasetConfig, root: Path | None) -> dict[str, TargetSplit]:
    splits = {name: read_split(dataset, root, name) for name in ("val", "test")}  # type: ignore[arg-type]
    return {name: split for name, split in splits.items() if split is not None and len(split)}


def _labelled(splits: Mapping[str, TargetSplit]) -> tuple[dict[str, int], str]:
    """Return where the labelled images went, and a sentence on it where the copy has no official splits."""
    counts = {name: len(split) for name, split in splits.items()}
    cut = next((split.cut for split in splits.values() if split.cut), None)
    if cut is None:
        return counts, ""
    note = (
        f"The {cut.images:,} labelled images come without splits. They are cut within each class: {cut.val:,} are val, {cut.test:,} "
        f"test, and {cut.neither:,} neither, which no build looks at (options val_share and test_share of the data set's reader)."
    )
    return {"val": cut.val, "test": cut.test, "neither": cut.neither}, note
