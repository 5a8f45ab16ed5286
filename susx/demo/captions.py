"""Captions as the web writes them: mostly right, often indirect, sometimes vague, now and then wrong.

``caption`` draws one from a small grammar. Of all captions, ``WRONG_SHARE`` name another category and
``VAGUE_SHARE`` name none. Of the rest, ``NAME_SHARE`` of the category (``vocabulary.py``) use its own name and the others
a synonym: the benchmark's adjectives are rare in captions. The colour words disagree with the picture in
``OFF_COLOUR_SHARE`` of the captions that have any.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import UInt8

from susx.demo.textures import CATEGORIES, colour_name
from susx.demo.vocabulary import NAME_SHARE, OBJECTS, SYNONYMS, VAGUE

__all__ = [
    "OFF_COLOUR_SHARE", "VAGUE_SHARE", "WRONG_SHARE", "Kind", "caption", "caption_kind",
    "dominant_colours",
]  # fmt: skip

WRONG_SHARE = 0.08
VAGUE_SHARE = 0.15
OFF_COLOUR_SHARE = 0.2

Kind = Literal["right", "synonym", "vague", "wrong"]

_COLOURS = (
    "red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown", "beige", "white", "grey", "black",
)  # fmt: skip
_PLACES = (
    "at the market",
    "in the studio",
    "at home",
    "in the garden",
    "from our trip",
    "in London",
    "in the shop",
)
_FORMS = (
    "a photo of a {word} {object}", "{word} {object}", "{word} {object}, {colour} and {other}", "{word} texture",
    "{colour} {word} {object}", "{object}, {word}, {colour}", "close-up of {word} {object}", "{word} pattern",
    "{colour} and {other} {word} {object}", "{word} surface of a {object}", "{word} {object} {place}",
    "seamless {word} texture in {colour}", "vintage {word} {object} {number}", "the {object} is {word}",
    "{word} background, {colour}", "texture of {word} {object}", "a bad photo of the {word} {object}",
    "small {word} {object}", "large {word} {object}, {colour}", "itap of a {word} {object}", "art of the {word} {object}",
    "origami {object}, {word}", "{word} {object} in a video game", "a photo of the {colour} {word} {object}",
)  # fmt: skip


def caption_kind(category: str, rng: np.random.Generator) -> Kind:
    """Draw how truthful a caption of a category will be, and in whose words."""
    draw = rng.random()
    if draw < WRONG_SHARE:
        return "wrong"
    if draw < WRONG_SHARE + VAGUE_SHARE:
        return "vague"
    return "right" if rng.random() < NAME_SHARE[category] else "synonym"


def caption(
    category: str, rng: np.random.Generator, colours: tuple[str, str] | None = None, kind: Kind | None = None
) -> str:
    """Write one caption for a picture of ``category``.

    Args:
        category: one of ``CATEGORIES``.
        rng: all randomness.
        colours: the two main colours of the picture (:func:`dominant_colours`); random words when not given.
        kind: how truthful; drawn by :func:`caption_kind` when not given.
    """
    kind = caption_kind(category, rng) if kind is None else kind
    named = category
    if kind == "wrong":
        others = [name for name in CATEGORIES if name != category]
        named = others[int(rng.integers(len(others)))]
    by_name = kind == "right" or (kind == "wrong" and rng.random() < NAME_SHARE[named])
    word = named if by_name else _pick(SYNONYMS[named], rng)
    if colours is None or rng.random() < OFF_COLOUR_SHARE:
        colours = (_pick(_COLOURS, rng), _pick(_COLOURS, rng))
    form = _pick(VAGUE if kind == "vague" else _FORMS, rng)
    text = form.format(
        word=word, object=_pick(OBJECTS[named], rng), colour=colours[0], other=colours[1],
        place=_pick(_PLACES, rng), number=int(rng.integers(10, 9999)),
    )  # fmt: skip
    return _untidy(text, rng)


def dominant_colours(pixels: UInt8[np.ndarray, "height width 3"]) -> tuple[str, str]:
    """Names of the mean colours of the brighter and the darker half of a picture, the larger group first."""
    flat = pixels.reshape(-1, 3).astype(np.float32) / 255
    luma = flat[:, 0] + flat[:, 1] + flat[:, 2]
    bright = luma > 0.5 * (luma.min() + luma.max())
    count = int(np.count_nonzero(bright))
    # Sums of bytes, exact: numpy's mean over three columns takes ten times as long.
    whole = pixels.reshape(-1, 3).astype(np.float64)
    lit = bright.astype(np.float64) @ whole
    if count in (0, bright.size):
        name = colour_name(whole.sum(axis=0) / (255 * bright.size))
        return name, name
    names = (
        colour_name(lit / (255 * count)),
        colour_name((np.ones(bright.size) @ whole - lit) / (255 * (bright.size - count))),
    )
    return names if 2 * count >= bright.size else (names[1], names[0])


def _pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def _untidy(text: str, rng: np.random.Generator) -> str:
    """Capitals, full stops and tags come and go, as they do."""
    draw = rng.random()
    if draw < 0.25:
        text = text[0].upper() + text[1:]
    if 0.15 < draw < 0.35:
        text += "."
    elif draw > 0.93:
        text += f" #{int(rng.integers(1, 99))}"
    return text
