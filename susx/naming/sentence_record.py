"""The reviewable file of sentences that a language model wrote: one YAML per data set, one entry per class.

    written_by: {backend: openai, model: ..., endpoint: ..., temperature: 0.99, date: 2025-01-31}
    questions: [...]
    classes:
      banded:
        sentences: [...]      # edit freely
        flagged: [...]        # those that do not name the class: look at them
        asked: <digest of questions and model>
        written: <digest of the sentences as they were written>

A class whose ``sentences`` no longer have the digest ``written`` was edited by hand and is never written over unasked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from susx.config.yaml_text import parse_yaml
from susx.errors import ConfigError, StoreError
from susx.store import write_atomically
from susx.text_file import read_text

__all__ = ["ClassRecord", "SentenceFile", "load_record", "save_record", "sentences_digest"]


@dataclass(frozen=True)
class ClassRecord:
    """The sentences of one class and how they came about (fields as in the file)."""

    sentences: tuple[str, ...]
    flagged: tuple[str, ...]
    asked: str
    written: str

    @property
    def edited(self) -> bool:
        """Whether a person has changed the sentences since they were written."""
        return sentences_digest(self.sentences) != self.written


@dataclass(frozen=True)
class SentenceFile:
    """What a file holds."""

    written_by: Mapping[str, Any] = field(default_factory=dict)
    questions: tuple[str, ...] = ()
    classes: Mapping[str, ClassRecord] = field(default_factory=dict)


def sentences_digest(sentences: Sequence[str]) -> str:
    """Return the sha256 of the sentences in their order."""
    return hashlib.sha256(json.dumps(list(sentences), ensure_ascii=False).encode()).hexdigest()


def load_record(path: Path) -> SentenceFile:
    """Read a file that :func:`save_record` wrote; a missing one is empty.

    Raises:
        ConfigError: the file is something else, for instance sentences written by hand without a record.
    """
    if not path.exists():
        return SentenceFile()
    try:
        data = parse_yaml(read_text(path), str(path))
        classes = {
            str(name): ClassRecord(
                tuple(str(s) for s in entry["sentences"]),
                tuple(str(s) for s in entry.get("flagged") or ()),
                str(entry.get("asked", "")),
                str(entry.get("written", "")),
            )
            for name, entry in data["classes"].items()
        }
        return SentenceFile(dict(data["written_by"]), tuple(data.get("questions") or ()), classes)
    except (OSError, UnicodeDecodeError, ConfigError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} was not written by 'susx prompts write' ({type(error).__name__}: {error}); sentences written by"
            " hand are not touched. Give another file with --out."
        ) from error


def save_record(path: Path, record: SentenceFile) -> None:
    """Write the whole file at once (temporary file, then rename).

    Raises:
        StoreError: it cannot be written.
    """
    data = {
        "written_by": dict(record.written_by),
        "questions": list(record.questions),
        "classes": {name: _entry(entry) for name, entry in record.classes.items()},
    }
    text = "# Sentences of a language model. Review and edit them: only an edited class becomes stale.\n"
    text += yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)
    try:
        write_atomically(path, text.encode("utf-8"))
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error}.") from error


def _entry(entry: ClassRecord) -> dict[str, Any]:
    data: dict[str, Any] = {"sentences": list(entry.sentences)}
    if entry.flagged:
        data["flagged"] = list(entry.flagged)
    return {**data, "asked": entry.asked, "written": entry.written}
