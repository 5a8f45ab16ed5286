"""Sentences that images of a class are drawn or searched with."""

from __future__ import annotations

from pathlib import Path

from susx.config import ClassHints, DatasetConfig, PromptsConfig
from susx.errors import ConfigError
from susx.naming.sentences import class_sentences, clean
from susx.records import Prompt
from susx.seeds import derive_seed

__all__ = ["cupl_sentences", "image_prompts", "photo_prompt"]


def image_prompts(config: PromptsConfig, dataset: DatasetConfig, class_name: str) -> tuple[Prompt, ...]:
    """Return the sentences that share the image budget of a class, in a fixed order.

    ``photo``: the data set's photo prompt, with the class's search name and context, so that namesakes are told apart.
    ``cupl``: at most ``config.sentences`` of the class's sentences (the paper draws ten at random). Which ones is decided
    by each sentence's own text, so a changed sentence replaces itself and leaves the others as they were.
    Sentences in ``dataset.prompts`` take the place of either.

    Raises:
        ConfigError: the class is not in the data set, or has no CuPL sentences.
    """
    by_hand = dataset.prompts.get(class_name)
    if by_hand:
        return tuple(Prompt(class_name, text, "hand", i) for i, text in enumerate(clean(by_hand)))
    if config.images == "photo":
        return (Prompt(class_name, photo_prompt(dataset, class_name, search=True), "photo", 0),)
    sentences = cupl_sentences(dataset, class_name)
    drawn = sorted(sentences, key=lambda text: derive_seed(0, "cupl", text))[: config.sentences]
    return tuple(Prompt(class_name, text, "cupl", i) for i, text in enumerate(sentences) if text in drawn)


def photo_prompt(
    dataset: DatasetConfig, class_name: str, *, search: bool = False, called: str | None = None
) -> str:
    """Return the data set's photo prompt for a class.

    Args:
        dataset: holds the prompt and the hints.
        class_name: one of its classes.
        search: say what an image search or a diffusion model needs to hear: the search name in place of the class
            name, and the context after it. Class folders and text classifiers use the plain name.
        called: what to call the class in place of its name, where no search name is asked for.

    Raises:
        ConfigError: the class is not in the data set.
    """
    if class_name not in dataset.classes:
        raise ConfigError(f"'{class_name}' is not a class of the data set '{dataset.name}'.")
    if not search:
        return dataset.photo_prompt.replace("{}", called or class_name)
    hints = dataset.hints.get(class_name, ClassHints())
    text = dataset.photo_prompt.replace("{}", hints.search_name or class_name)
    return f"{text.rstrip('. ')}, {hints.context}." if hints.context else text


def cupl_sentences(dataset: DatasetConfig, class_name: str) -> tuple[str, ...]:
    """Return the CuPL sentences of a class from the data set's file; hand-written ones take their place.

    Raises:
        ConfigError: the data set names no file, or the file lacks the class.
    """
    by_hand = dataset.prompts.get(class_name)
    if by_hand:
        return clean(by_hand)
    if dataset.cupl is None:
        raise ConfigError(
            f"The data set '{dataset.name}' names no file of CuPL sentences. Set 'cupl: FILE' in its YAML"
            " ({class: [sentence, ...]}, JSON or YAML), let a language model write one (susx prompts write), or use"
            " the photo prompt."
        )
    return class_sentences(Path(dataset.cupl), class_name)
