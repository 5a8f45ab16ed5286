"""Sentences about a class made of templates: the ensembles, visual descriptors and their random control.

    ensemble      seven templates (Tip-Adapter and SuS-X; OpenAI's "best seven" for ImageNet)
    ensemble80    the eighty ImageNet templates of CLIP, as open_clip ships them
    visdesc       "name, which has descriptor" (Menon and Vondrick, ICLR 2023)
    waffle        the same with random words and characters (Roth et al., ICCV 2023)

Underscores in a name are read as blanks, as the published scripts do.
"""

from __future__ import annotations

from collections.abc import Sequence

from susx.errors import ConfigError
from susx.features.open_clip_import import import_open_clip
from susx.naming.noise import random_descriptors

__all__ = ["ENSEMBLE", "ensemble", "ensemble80", "visdesc", "waffle"]

ENSEMBLE: tuple[str, ...] = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)
"""The seven ImageNet templates found by forward selection in OpenAI's CLIP notebook; used by Tip-Adapter and SuS-X."""


def ensemble(name: str) -> tuple[str, ...]:
    """Return the seven ensemble sentences.

    >>> ensemble("tabby_cat")[0]
    'itap of a tabby cat.'
    """
    return tuple(template.replace("{}", name.replace("_", " ")) for template in ENSEMBLE)


def ensemble80(name: str) -> tuple[str, ...]:
    """Return the eighty ImageNet sentences of CLIP.

    >>> len(ensemble80("cat"))
    80
    """
    spoken = name.replace("_", " ")
    return tuple(template(spoken) for template in import_open_clip().OPENAI_IMAGENET_TEMPLATES)


def visdesc(name: str, descriptors: Sequence[str]) -> tuple[str, ...]:
    """Return one sentence per visual descriptor, joined as the authors of VisDesc do.

    Raises:
        ConfigError: the class has no descriptors.

    >>> visdesc("hen", ["a red comb", "two legs", "has feathers"])
    ('hen, which is a red comb.', 'hen, which has two legs.', 'hen, which has feathers.')
    """
    if not descriptors:
        raise ConfigError(
            f"Prompt kind 'visdesc' needs descriptors of every class, and '{name}' has none. "
            "Add some to the data set's file, or choose the kind 'ensemble'."
        )
    return tuple(f"{name.replace('_', ' ')}, which {_clause(descriptor)}." for descriptor in descriptors)


def waffle(name: str, seed: int = 0) -> tuple[str, ...]:
    """Return sentences whose descriptors mean nothing, seeded and the same for every class.

    >>> len(waffle("cat"))
    30
    """
    return tuple(
        f"A photo of a {name.replace('_', ' ')}, which has {noise}." for noise in random_descriptors(seed)
    )


def _clause(descriptor: str) -> str:
    text = descriptor.strip().rstrip(".")
    first = text.split(" ", 1)[0].lower()
    if first in ("has", "often", "typically", "may", "can", "is"):
        return text
    return f"is {text}" if first in ("a", "an", "used", "made", "found") else f"has {text}"
