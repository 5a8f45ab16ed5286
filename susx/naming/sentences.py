"""Files of sentences per class: the published CuPL format ``{class: [sentence, ...]}`` as JSON, or the same as YAML.

A YAML written by a language model holds the same under ``classes`` with a record of how each class was written
(see ``susx.naming.sentence_record``); both are read here.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from susx.config.spelling import plain
from susx.config.yaml_text import parse_yaml
from susx.errors import ConfigError, did_you_mean
from susx.store.disk import facts_of
from susx.text_file import read_text

__all__ = ["class_sentences", "clean", "read_sentences"]


def read_sentences(path: Path) -> Mapping[str, tuple[str, ...]]:
    """Return the sentences of every class of the file, trimmed, without blanks and repetitions.

    Raises:
        ConfigError: there is no such file, or it does not hold ``{class: [sentence, ...]}``.
    """
    try:
        facts = facts_of(path)
    except OSError as error:
        raise ConfigError(
            f"There is no file of sentences {path}. Write one by hand ({{class: [sentence, ...]}}, JSON or YAML) or let"
            " a language model do it: susx prompts write."
        ) from error
    return _read(path, tuple(facts))


@functools.lru_cache(maxsize=8)
def _read(path: Path, facts: tuple[int, ...]) -> Mapping[str, tuple[str, ...]]:
    # What changes when a file is written is part of the key, also where the time of the change was set back.
    try:
        text = read_text(path)
        data = json.loads(text) if path.suffix.lower() == ".json" else parse_yaml(text, str(path))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())[:300]}.") from error
    if isinstance(data, dict) and isinstance(data.get("classes"), dict) and "written_by" in data:
        data = {name: _unflagged(entry or {}) for name, entry in data["classes"].items()}
    if not isinstance(data, dict):
        raise ConfigError(f"{path} must hold {{class: [sentence, ...]}}, found {_kind(data)}.")
    return MappingProxyType({str(name): _checked(path, str(name), value) for name, value in data.items()})


def _unflagged(entry: Mapping[str, Any]) -> Any:
    """Return a class's sentences without those that are flagged, and that nobody took out of that list."""
    sentences, flagged = entry.get("sentences"), entry.get("flagged") or ()
    return [s for s in sentences if s not in flagged] if isinstance(sentences, list) else sentences


def clean(sentences: Sequence[str]) -> tuple[str, ...]:
    """Trim, fold blanks, and drop empty and repeated sentences (repeated up to case and final full stop)."""
    kept: dict[str, str] = {}
    for sentence in sentences:
        text = " ".join(sentence.split())
        if text:
            kept.setdefault(text.casefold().rstrip(". "), text)
    return tuple(kept.values())


def class_sentences(path: Path, class_name: str) -> tuple[str, ...]:
    """Return the sentences of one class; the file may spell it with other case, underscores or hyphens.

    Raises:
        ConfigError: the file has no sentences for the class.
    """
    table = read_sentences(path)
    sentences = table.get(class_name)
    if sentences is None:
        sentences = next((value for name, value in table.items() if plain(name) == plain(class_name)), ())
    if not sentences:
        raise ConfigError(
            f"{path} has no sentences for the class '{class_name}'.{did_you_mean(class_name, table)} Add some to the"
            " file, or let a language model write what is missing: susx prompts write."
        )
    return sentences


def _checked(path: Path, name: str, value: Any) -> tuple[str, ...]:
    if (
        isinstance(value, str)
        or not isinstance(value, Sequence)
        or not all(isinstance(s, str) for s in value)
    ):
        raise ConfigError(f"{path}: the class '{name}' must have a list of sentences, found {_kind(value)}.")
    return clean(value)


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
