"""What a data set is: class names in label order, how to talk about them, where its images lie."""

from __future__ import annotations

import re
import unicodedata

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from susx.config.readers import known_readers
from susx.config.spelling import plain
from susx.errors import did_you_mean
from susx.printable import for_terminal

__all__ = ["ClassHints", "DatasetConfig", "ReaderConfig", "check_identifier"]

_STRICT = ConfigDict(frozen=True, extra="forbid")

MAX_CLASS_NAME = 200
"""Longest class name in characters; CLIP's context of 77 tokens holds fewer."""


def check_identifier(name: str) -> str:
    """Return a name that can be part of a folder's name.

    Raises:
        ValueError: it could lead elsewhere, or be no name at all.
    """
    if not re.fullmatch(r"[^\W_][\w.+-]{0,99}", name):
        raise ValueError(
            "a name begins with a letter or digit and goes on with letters, digits, '-', '_', '+' and '.'; at most 100"
        )
    return name


def _fault(name: str) -> str:
    """Return what is wrong with words for a class, "" where nothing is."""
    if not name:
        return "has an empty name"
    if len(name) > MAX_CLASS_NAME:
        return f"('{name[:40]}...') has {len(name)} characters; at most {MAX_CLASS_NAME} fit an encoder"
    if for_terminal(name) != name or set(name) & set("\t\n\u2028\u2029"):
        return f"({name!r}) holds a control character"
    return ""


class ClassHints(BaseModel):
    """Words that tell one class from its namesakes when images are searched or drawn."""

    model_config = _STRICT

    search_name: str | None = None
    """Used in place of the class name in queries (plane -> airplane)."""
    context: str | None = None
    """Appended to queries (crane -> "bird")."""
    exclude: tuple[str, ...] = ()
    """Captions holding one of these words are dropped."""
    unnamed: bool = False
    """Its name tells nothing (a part number): captions of images like its examples speak for it."""


class ReaderConfig(BaseModel):
    """How the labelled images of the target are read; only evaluation needs them."""

    model_config = _STRICT

    kind: str
    """Name of a reader (``susx.config.readers``)."""
    folder: str = ""
    """Folder below ``--data-root``."""
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Arguments of the reader (torchvision class, split file, column names)."""
    class_map: dict[str, str] = Field(default_factory=dict)
    """Folder or file label -> class name, where they differ. Never inferred from a sort order."""
    counts: dict[str, int] = Field(default_factory=dict)
    """Published number of images per split, for checking a local copy."""

    @field_validator("kind")
    @classmethod
    def _check_kind(cls, kind: str) -> str:
        if kind not in known_readers():
            raise ValueError(f"there is no reader '{kind}'.{did_you_mean(kind, known_readers())}".rstrip("."))
        return kind


class DatasetConfig(BaseModel):
    """One data set; ``classes[i]`` is label ``i``."""

    model_config = _STRICT

    name: str
    title: str = ""
    classes: tuple[str, ...]
    photo_prompt: str = "A photo of a {}."
    """Prompt with one ``{}`` for the class name."""
    hints: dict[str, ClassHints] = Field(default_factory=dict)
    cupl: str | None = None
    """JSON or YAML file of {class: [sentence, ...]}, relative to this file."""
    questions: tuple[str, ...] = ()
    """Asked of a language model that writes sentences, each with one ``{}``; general ones when empty."""
    descriptors: str | None = None
    """JSON or YAML file of {class: [descriptor, ...]} for visdesc prompts ("long legs"), relative to this file."""
    prompts: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Sentences written by hand for single classes; they replace the generated ones of that class."""
    aliases: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Other words for single classes; the most frequent in the captions of the pool is said in place of the name."""
    examples: str | None = None
    """Folder of images of one's own, relative to this file: one sub-folder a class that has some."""
    reader: ReaderConfig | None = None
    alternatives: tuple[ReaderConfig, ...] = ()
    """Other layouts a local copy may have; tried in order where the reader's own is not there."""
    licence: str = ""
    source: str = ""
    """Where a person gets the images."""

    _name = field_validator("name")(check_identifier)

    @field_validator("classes")
    @classmethod
    def _check_classes(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        classes = tuple(str(c).strip() for c in classes)
        if not classes:
            raise ValueError("the list of classes is empty; name at least one class")
        seen: dict[str, int] = {}
        for i, name in enumerate(classes):
            if fault := _fault(name):
                raise ValueError(f"class {i} {fault}")
            # Two ways to write an accented letter look the same, in prompts, reports and the folders of some systems.
            same = unicodedata.normalize("NFC", name)
            if same in seen:
                spelt = "" if classes[seen[same]] == name else ", in two Unicode spellings"
                raise ValueError(f"class '{name}' is listed twice (positions {seen[same]} and {i}{spelt})")
            seen[same] = i
        return classes

    @field_validator("photo_prompt")
    @classmethod
    def _check_prompt(cls, prompt: str) -> str:
        if prompt.count("{}") != 1:
            raise ValueError(f"the photo prompt must hold '{{}}' exactly once, found {prompt!r}")
        return prompt

    @field_validator("questions")
    @classmethod
    def _check_questions(cls, questions: tuple[str, ...]) -> tuple[str, ...]:
        for question in questions:
            if question.count("{}") != 1:
                raise ValueError(f"a question must hold '{{}}' exactly once, found {question!r}")
        return questions

    @field_validator("aliases")
    @classmethod
    def _check_aliases(cls, aliases: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        owner: dict[str, str] = {}
        for name, aliases_of in aliases.items():
            for word in aliases_of:
                if fault := _fault(word.strip()):
                    raise ValueError(f"an alias of '{name}' {fault}")
                if owner.setdefault(plain(word), name) != name:
                    raise ValueError(
                        f"the alias '{word}' stands for '{owner[plain(word)]}' and for '{name}'; leave it to one of them"
                    )
        return {name: tuple(word.strip() for word in aliases_of) for name, aliases_of in aliases.items()}

    @model_validator(mode="after")
    def _check_references(self) -> DatasetConfig:
        classes = set(self.classes)
        for field, keys in (("hints", self.hints), ("prompts", self.prompts), ("aliases", self.aliases)):
            for key in keys:
                if key not in classes:
                    raise ValueError(f"{field} names '{key}', which is not among the classes")
        for reader in self.readers:
            for target in reader.class_map.values():
                if target not in classes:
                    raise ValueError(f"class_map leads to '{target}', which is not among the classes")
        if self.unnamed and self.examples is None:
            raise ValueError(
                f"'{self.unnamed[0]}' is unnamed and there are no examples to know it by; give a folder of images (examples:)"
            )
        for name in self.unnamed:
            if self.prompts.get(name):
                raise ValueError(
                    f"'{name}' is unnamed and has sentences of its own (prompts); take one of the two out"
                )
        return self

    @property
    def unnamed(self) -> tuple[str, ...]:
        """Classes whose names tell nothing."""
        return tuple(name for name in self.classes if name in self.hints and self.hints[name].unnamed)

    @property
    def readers(self) -> tuple[ReaderConfig, ...]:
        """The reader and its alternatives, in the order they are tried."""
        return (*((self.reader,) if self.reader else ()), *self.alternatives)
