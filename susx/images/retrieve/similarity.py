"""Similarities of one kind of query on the scale of another."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from susx.images.retrieve.candidates import Candidate

__all__ = ["on_scale_of"]


def on_scale_of(reference: Sequence[Candidate], candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return candidates found by image, their similarities moved so that their mean is that of candidates found by text.

    Cosines of images are larger than those of an image and a sentence (the modality gap; Liang et al., NeurIPS 2022): as they are, a
    class with examples would take every image that two classes find. Their order, and the distances between them, stay.
    """
    if not reference or not candidates:
        return list(candidates)
    shift = _mean(reference) - _mean(candidates)
    return [dataclasses.replace(one, similarity=one.similarity + shift) for one in candidates]


def _mean(candidates: Sequence[Candidate]) -> float:
    return sum(one.similarity for one in candidates) / len(candidates)
