"""Sentences whose mean embedding is the text classifier of a class, by kind.

single      the data set's photo prompt (Radford et al. 2021)
ensemble    the 7 templates of CLIP's ImageNet selection (Radford et al. 2021)
ensemble80  all 80 templates
cupl        sentences of a language model (Pratt et al., ICCV 2023)
cupl+ensemble  both, as SuS-X classifies (Udandarao et al., ICCV 2023)
visdesc     the class with one visual descriptor at a time (Menon & Vondrick, ICLR 2023)
waffle      the class with random words and characters, the control of the above (Roth et al., ICCV 2023)
"""

from __future__ import annotations

import re
from pathlib import Path

from susx.config import DatasetConfig, PromptsConfig
from susx.errors import ConfigError
from susx.naming.image_sentences import cupl_sentences, photo_prompt
from susx.naming.sentences import class_sentences

__all__ = ["classifier_sentences"]


def classifier_sentences(
    config: PromptsConfig, dataset: DatasetConfig, class_name: str, called: str | None = None
) -> tuple[str, ...]:
    """Return the sentences of ``config.classify`` for one class, in a fixed order.

    Args:
        config: which kind.
        dataset: holds the class.
        class_name: one of its classes.
        called: what to call the class in place of its name; sentences written by hand stay as they are.

    Raises:
        ConfigError: the class is not in the data set, or the kind needs a file that is not there.
    """
    photo = photo_prompt(dataset, class_name, called=called)
    kind = config.classify
    if kind == "single":
        return (photo,)
    if kind == "cupl":
        return _cupl(dataset, class_name, called)
    from susx.naming import templates

    name = called or class_name
    if kind == "ensemble":
        return templates.ensemble(name)
    if kind == "ensemble80":
        return templates.ensemble80(name)
    if kind == "cupl+ensemble":
        return _cupl(dataset, class_name, called) + templates.ensemble(name)
    if kind == "visdesc":
        return templates.visdesc(name, _descriptors(dataset, class_name))
    return templates.waffle(name)


def _cupl(dataset: DatasetConfig, class_name: str, called: str | None) -> tuple[str, ...]:
    sentences = cupl_sentences(dataset, class_name)
    if called is None or dataset.prompts.get(class_name):
        return sentences
    name = re.compile(rf"(?<!\w){re.escape(class_name)}(?!\w)", re.IGNORECASE)
    return tuple(name.sub(lambda _: called, sentence) for sentence in sentences)


def _descriptors(dataset: DatasetConfig, class_name: str) -> tuple[str, ...]:
    if dataset.descriptors is None:
        raise ConfigError(
            f"The data set '{dataset.name}' names no file of visual descriptors. Set 'descriptors: FILE' in its YAML"
            " ({class: [descriptor, ...]}, JSON or YAML), or choose another kind of prompts."
        )
    return class_sentences(Path(dataset.descriptors), class_name)
