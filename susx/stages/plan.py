"""From what a person asked for to a :class:`BuildPlan`: names resolved, weights and sources fingerprinted."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from susx.config import DatasetConfig, load_dataset, load_profile
from susx.datasets import read_split
from susx.demo.drawing import drawing_digest
from susx.errors import ConfigError, did_you_mean
from susx.features.identity import identify_encoder
from susx.images.retrieve.backends import Delivers, backend_settings
from susx.prompts import without_sentences
from susx.stages.build_plan import BuildPlan
from susx.stages.generator_identity import identify_generator
from susx.stages.options import BuildOptions
from susx.store import digest_json
from susx.types import Json

__all__ = ["MODES", "BuildOptions", "plan_build"]

MODES = ("retrieve", "generate")

_LIBRARIES = ("torch", "open_clip_torch", "diffusers", "transformers", "numpy", "prefect")
"""Those whose version a report names: they decide the last digits, or who recorded the run."""


_PROMPTS: Mapping[str, Mapping[str, Any]] = {
    "photo": {"prompts.images": "photo", "prompts.classify": "single"},
    "ensemble": {"prompts.images": "photo", "prompts.classify": "ensemble"},
    "cupl": {"prompts.images": "cupl", "prompts.classify": "cupl+ensemble"},
}


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
    sources = tuple(dict.fromkeys(part.strip() for part in options.mode.split(",")))
    for source in sources:
        if source not in MODES:
            raise ConfigError(
                f"Unknown mode '{source}'.{did_you_mean(source, MODES)} Modes may be joined by a comma."
            )
    overrides: dict[str, Any] = {}
    if options.prompts is not None:
        if options.prompts not in _PROMPTS:
            raise ConfigError(
                f"Unknown prompts '{options.prompts}'.{did_you_mean(options.prompts, _PROMPTS)}"
            )
        overrides |= _PROMPTS[options.prompts]
    for key, value in (("per_class", options.per_class), ("seed", options.seed)):
        overrides |= {key: value} if value is not None else {}
    dataset = load_dataset(options.dataset) if dataset is None else dataset
    profile = load_profile(options.profile, options.settings, overrides)
    used, note = without_sentences(profile.prompts, dataset)
    profile = profile.model_copy(update={"prompts": used})
    retrieval, encoder = backend_settings(profile.retrieval), identify_encoder(profile.encoder)
    root = Path(options.data_root).expanduser() if options.data_root else None
    plan = BuildPlan(
        dataset=dataset,
        profile=profile,
        sources=sources,
        encoder=encoder.as_json(),
        generator=identify_generator(profile.generation) if "generate" in sources else None,
        splits=_splits(dataset, root) if options.evaluate else {},
        data_root=root,
        notes=(note,) if note else (),
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
        return plan
    if "retrieve" not in sources and Delivers.WHOLE not in retrieval.delivers:
        raise ConfigError(
            f"reference_pool needs a pool whose features can all be read (retrieval.backend index, features or demo), and "
            f"retrieval.backend is {profile.retrieval.backend}."
        )
    return dataclasses.replace(plan, backend=retrieval.identity(encoder))


def _splits(dataset: DatasetConfig, root: Path | None) -> dict[str, Json]:
    found = {}
    for name in ("val", "test"):
        split = read_split(dataset, root, name)  # type: ignore[arg-type]
        if split is not None and len(split):
            found[name] = _split_identity(dataset, split)
    return found


def _split_identity(dataset: DatasetConfig, split: Any) -> Json:
    """Fingerprint a split by names, classes, sizes and times of its files; reading every image would take too long."""
    rows = []
    for name, path, label in zip(split.names, split.paths, split.labels, strict=True):
        # A listed file that is not there is an unreadable image like any other.
        stat = path.stat() if path is not None and path.exists() else None
        rows.append(
            [name, dataset.classes[label], stat.st_size if stat else 0, stat.st_mtime_ns if stat else 0]
        )
    drawn = {"drawing": drawing_digest()} if any(path is None for path in split.paths) else {}
    return {"images": len(rows), "content": digest_json(sorted(rows)), **drawn}
