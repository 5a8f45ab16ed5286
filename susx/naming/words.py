"""What a class is called in captions, where its name alone does not say it best.

Of a class's name and aliases the one that most captions hold is said in its place (frequent synonyms raise zero-shot accuracy: Parashar et al.,
"The neglected tails in vision-language models", CVPR 2024). An unnamed class is described by captions of images that are most like its
examples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.config.spelling import NameFinder
from susx.errors import InputError
from susx.naming.sentences import clean

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Words", "describe", "most_frequent_names"]

_SENTENCES = 10
"""Captions that describe an unnamed class, those that agree best with its examples: as many sentences as the paper searches with."""


@dataclass(frozen=True)
class Words:
    """What is said of a class.

    Attributes:
        name: its name or the alias that is said in its place.
        counts: captions that hold each of them; empty for an unnamed class.
        captions: how many were looked at.
        sentences: captions that describe an unnamed class.
    """

    name: str
    counts: Mapping[str, int]
    captions: int
    sentences: tuple[str, ...] = ()


def most_frequent_names(
    names: Mapping[str, Sequence[str]], captions: Sequence[str | None]
) -> dict[str, Words]:
    """Count names in captions, whole words in any case and number.

    Args:
        names: class -> its name and its aliases; of equals the first is said.
        captions: of a pool.
    """
    finder = NameFinder(name for of in names.values() for name in of)
    counts = Counter(name for caption in captions for name in finder.names_in(caption or ""))
    return {
        class_name: Words(
            max(of, key=lambda name: counts[name]), {name: counts[name] for name in of}, len(captions)
        )
        for class_name, of in names.items()
    }


def describe(
    class_name: str,
    example: Tensor | None,
    captions: Sequence[str | None],
    encode: Callable[[Sequence[str]], Tensor],
) -> Words:
    """Describe an unnamed class by captions of the images that are most like its examples.

    Args:
        class_name: of the class.
        example: ``[1 dim]``, the unit mean of its examples; None where none could be decoded.
        captions: of the images nearest to it.
        encode: sentences to unit rows.

    Raises:
        InputError: no example can be decoded, or no image like them has a caption.
    """
    if example is None:
        raise InputError(
            f"'{class_name}' is unnamed and none of its examples can be decoded; give images that can, or a name."
        )
    sentences: Sequence[str] = clean([caption for caption in captions if caption])
    if not sentences:
        raise InputError(
            f"'{class_name}' is unnamed, and none of the {len(captions)} images of the pool that are most like its examples has a "
            "caption that could speak for it. Give the class a name, or a pool with captions."
        )
    # Captions say what is like the pictures and what is not ("IMG 1078"): the encoder tells them apart.
    agreement = (encode(sentences) @ example[0]).tolist()
    best = sorted(range(len(sentences)), key=lambda at: -agreement[at])[:_SENTENCES]
    return Words(class_name, {}, len(captions), tuple(sentences[at] for at in best))
