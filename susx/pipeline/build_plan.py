"""What a build is determined by (:class:`BuildPlan`) and what comes of it (:class:`BuildResult`)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from susx.config import ClassHints, DatasetConfig, ProfileConfig
from susx.config.ingredients import ingredients
from susx.config.spelling import plain
from susx.encoder_id import EncoderId
from susx.experiment import Trial, choose_headline, needs_of, trials_of
from susx.images.retrieve.backends import BackendSettings, Delivers, backend_settings
from susx.methods import Need
from susx.naming import classifier_sentences, image_prompts
from susx.records import Prompt
from susx.store import Ref
from susx.types import Digest, Json

__all__ = ["BuildPlan", "BuildResult", "LabelledImages", "Sentences"]


@dataclass(frozen=True)
class Sentences:
    """What is said of a class: prompts that images are searched or drawn with, sentences it is classified by."""

    images: tuple[Prompt, ...]
    classify: tuple[str, ...]


@dataclass(frozen=True)
class LabelledImages:
    """Images of a class in a folder that was labelled, digest -> path: those that a person said, and others."""

    by_people: Mapping[Digest, str]
    sure: Mapping[Digest, str]


@dataclass(frozen=True)
class BuildPlan:
    """Everything a build is determined by.

    Attributes:
        dataset, profile: what and with what.
        sources: ``retrieve``, ``generate`` or both; ``labels`` alone.
        encoder: which encoder.
        generator: identity of the diffusion model; None without ``generate``.
        examples: class -> its own images, relative to the data set's folder of examples, with the sha256 of each.
        labelled: class -> its images in a labelled folder; empty where the build has none.
        backend: identity of the retrieval backend; None where no pool is read.
        splits: identity of each target split that is there; empty: nothing is measured.
        labelled_images: val, test and, where the copy has no official splits, neither -> number of images.
        data_root: folder of the target's images.
        notes: what a person is told of the plan, now and in the report: what was asked for and is replaced.
        run: facts for the report that change nothing else (command line ...).
    """

    dataset: DatasetConfig
    profile: ProfileConfig
    sources: tuple[str, ...]
    encoder: EncoderId
    generator: Json = None
    backend: Json = None
    examples: Mapping[str, Mapping[str, Digest]] = field(default_factory=dict)
    labelled: Mapping[str, LabelledImages] = field(default_factory=dict)
    splits: Mapping[str, Json] = field(default_factory=dict)
    labelled_images: Mapping[str, int] = field(default_factory=dict)
    data_root: Path | None = None
    notes: tuple[str, ...] = ()
    run: Mapping[str, Json] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return self.dataset.classes

    @functools.cached_property
    def retrieval(self) -> BackendSettings:
        """The profile's ``retrieval`` as its backend reads it.

        Raises:
            ConfigError: the backend has no such setting.
        """
        return backend_settings(self.profile.retrieval)

    @property
    def ingredients(self) -> dict[str, Json]:
        """The settings of the profile that decide a result, those of the backend included; not how the work is done.

        Raises:
            ConfigError: the backend has no such setting.
        """
        return {**ingredients(self.profile), "retrieval": ingredients(self.retrieval)}

    @property
    def reads_pool(self) -> bool:
        """Whether the backend's pool is read: for images, or as the reference of generated ones where a method asks for it."""
        wanted = self.profile.reference_pool and Need.POOL in needs_of(self.trials)
        return "retrieve" in self.sources or wanted

    @functools.cached_property
    def trials(self) -> tuple[Trial, ...]:
        """Methods x protocols that are fitted, the reference first.

        Raises:
            ConfigError: the profile's methods or hyper-parameters are not right.
        """
        return trials_of(self.profile.methods, self.profile.tuning, validation="val" in self.splits)

    @functools.cached_property
    def headline(self) -> Trial:
        """The trial that is packaged and shown first.

        Raises:
            ConfigError: the profile's headline is not among the trials.
        """
        return choose_headline(self.trials, self.profile.headline)

    @property
    def captioned(self) -> bool:
        """Whether the captions of a pool are at hand."""
        return self.backend is not None and Delivers.CAPTIONS in self.retrieval.delivers

    @property
    def unnamed(self) -> tuple[str, ...]:
        """Classes whose names tell nothing."""
        return self.dataset.unnamed

    @functools.cached_property
    def aliases(self) -> Mapping[str, Mapping[str, Sentences]]:
        """Class -> what would be said of it by each of its aliases; empty where no captions tell which is best.

        An alias that is another class's name is left out.
        """
        if not self.captioned:
            return {}
        owner = {plain(name): name for name in self.classes}
        sentences_of = {
            name: {
                alias: self._sentences(name, alias)
                for alias in self.dataset.aliases[name]
                if plain(alias) not in owner and name not in self.unnamed
            }
            for name in self.classes
            if name in self.dataset.aliases
        }
        return {name: by_alias for name, by_alias in sentences_of.items() if by_alias}

    def _sentences(self, class_name: str, alias: str) -> Sentences:
        hints = self.dataset.hints
        called = hints.get(class_name, ClassHints()).model_copy(update={"search_name": alias})
        dataset = self.dataset.model_copy(update={"hints": {**hints, class_name: called}})
        prompts = self.profile.prompts
        return Sentences(
            images=tuple(image_prompts(prompts, dataset, class_name)),
            classify=tuple(classifier_sentences(prompts, dataset, class_name, alias)),
        )

    @functools.cached_property
    def sentences(self) -> Mapping[str, Sentences]:
        """Class -> its sentences."""
        return {
            name: Sentences(
                images=tuple(image_prompts(self.profile.prompts, self.dataset, name)),
                classify=tuple(classifier_sentences(self.profile.prompts, self.dataset, name)),
            )
            for name in self.classes
        }


@dataclass(frozen=True)
class BuildResult:
    """The artefacts of a build by what they are."""

    text: Ref
    support: Ref
    classifiers: Mapping[str, Ref]
    logits: Mapping[str, Ref]
    package: Ref
    report: Ref
    images: Mapping[str, Ref]
