"""A small world to build in: four textures, a pool of 240 images, two images a class, no Prefect."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from susx.pipeline.executors import InlineExecutor, PlanExecutor, PlannedJob
from susx.pipeline.graph import build
from susx.pipeline.plan import BuildOptions, plan_build
from susx.pipeline.stage import Stage, execute
from susx.store import ArtefactStore, Job, Outcome
from susx.store.user_cache import SHARED

__all__ = ["CLASSES", "SETTINGS", "World", "build_world", "execute_shared", "new_world"]

CLASSES = ["banded", "dotted", "grid", "woven"]
SETTINGS = ("retrieval.pool_size=240", "retrieval.over_fetch=2")


@dataclass
class World:
    """A data set's YAML, a store, and the options of a build."""

    folder: Path
    description: dict[str, Any]
    options: BuildOptions = field(init=False)

    def __post_init__(self) -> None:
        self.options = BuildOptions(
            str(self.yaml), per_class=2, store=str(self.folder / "store"), settings=SETTINGS
        )
        self.write()

    @property
    def yaml(self) -> Path:
        """File of the data set's description."""
        return self.folder / "small.yaml"

    @property
    def store(self) -> ArtefactStore:
        """The world's artefact store."""
        return ArtefactStore(self.options.store)

    def write(self, **changes: Any) -> None:
        """Change the data set's description."""
        self.description = {**self.description, **changes}
        self.yaml.write_text(yaml.safe_dump(self.description, sort_keys=False), encoding="utf-8")

    def change(self, *settings: str, **options: Any) -> None:
        """Change settings of the profile and options of the build; another backend has not the settings of the former."""
        kept = self.options.settings
        if any(setting.startswith("retrieval.backend=") for setting in settings):
            kept = tuple(
                s for s in kept if not s.startswith("retrieval.") or s.startswith("retrieval.over_fetch")
            )
        keys = {setting.partition("=")[0] for setting in settings}
        kept = tuple(setting for setting in kept if setting.partition("=")[0] not in keys)
        self.options = replace(self.options, settings=(*kept, *settings), **options)

    def build(self) -> list[Outcome]:
        """Build without Prefect; the result stays in ``result``."""
        executor = InlineExecutor(self.store)
        self.result = build(plan_build(self.options), executor)
        return executor.outcomes

    def computed(self) -> set[tuple[str, str]]:
        """Build and return the (stage, subject) pairs that were computed."""
        return {(o.ref.stage, o.ref.subject) for o in self.build() if o.status == "computed"}

    def plan(self) -> list[PlannedJob]:
        """Return what a build would do."""
        executor = PlanExecutor(self.store)
        build(plan_build(self.options), executor)
        return executor.planned

    def artefact(self, stage: str, subject: str) -> Path:
        """Return the folder of the latest artefact of a unit of work."""
        for entry in self.plan():
            if (entry.job.stage, entry.job.subject) == (stage, subject):
                return self.store._folder(stage, entry.job.key)
        raise LookupError(f"{stage} {subject}")


def new_world(folder: Path) -> World:
    """Return a world in an empty folder, not built yet."""
    description = {
        "name": "small", "photo_prompt": "{} texture.", "classes": CLASSES,
        "reader": {"kind": "demo", "options": {"val": 2, "test": 3}},
    }  # fmt: skip
    return World(folder, description)


def build_world(world: World, environment: Mapping[str, str] | None = None) -> None:
    """Build a world that shares nothing, in a process that is asked for it (a function of a module), which has the environment of its fork server."""
    os.environ.update(environment or {})
    os.environ[SHARED] = "off"
    world.build()


def execute_shared(shared: str, stage: Stage, job: Job, store: ArtefactStore) -> None:
    """Do a job in a process that is asked for it, with this shared store."""
    os.environ[SHARED] = shared
    execute(stage, job, store)
