"""What a language model is asked about a class (after CuPL, Pratt et al., ICCV 2023)."""

from __future__ import annotations

import hashlib
import json

from susx.config import ClassHints, DatasetConfig, LanguageModelConfig

__all__ = ["GENERAL", "asked_digest", "instruction", "questions_for"]

GENERAL: tuple[str, ...] = (
    "What does {} look like in a photo?",
    "Which visible features tell {} from similar things?",
    "How would you caption a photo of {}?",
)
"""Asked where the data set has no questions of its own."""

_ANSWER = (
    "Answer with a JSON list of {count} different English sentences and nothing else. Each sentence stands alone, has"
    " at most 25 words, says only what can be seen, and names '{name}'."
)


def questions_for(dataset: DatasetConfig, class_name: str) -> tuple[str, ...]:
    """Return the questions about one class, its context in brackets where it has one."""
    hints = dataset.hints.get(class_name, ClassHints())
    quoted = f"'{class_name}'" + (f" ({hints.context})" if hints.context else "")
    return tuple(question.replace("{}", quoted) for question in dataset.questions or GENERAL)


def instruction(class_name: str, count: int) -> str:
    """Return what is asked of every answer: its form."""
    return _ANSWER.format(count=count, name=class_name)


def asked_digest(config: LanguageModelConfig, dataset: DatasetConfig, class_name: str) -> str:
    """Return a digest of everything that decides the answers: questions, model, temperature, number of sentences."""
    asked = {
        "questions": questions_for(dataset, class_name),
        "form": instruction(class_name, config.sentences),
        "backend": config.backend,
        "model": config.model,
        "temperature": config.temperature,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
