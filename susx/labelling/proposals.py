"""What a class that is missing may be called: captions of the pool's images that look like a group that no name explains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32

__all__ = ["captions_near"]

_LONGEST = 100
"""Characters of a caption."""


def captions_near(
    groups: Sequence[Float32[np.ndarray, "_ dim"]],
    pool: Float[np.ndarray, "pool dim"],
    captions: Sequence[str | None],
    most: int = 3,
) -> list[tuple[str, ...]]:
    """Return for each group the captions of the images nearest to its middle, each once, the nearest first.

    Args:
        groups: unit rows of each group's images.
        pool: rows of images of the same encoder; those without length are passed over.
        captions: of each; None or "" where there is none.
        most: captions a group.
    """
    told = [at for at, caption in enumerate(captions) if caption and caption.strip()]
    if not told:
        return [()] * len(groups)
    rows = np.asarray(pool, dtype=np.float32)[told]
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.where(lengths > 0, rows / np.maximum(lengths, 1e-12), 0)
    near = []
    for group in groups:
        chosen: dict[str, str] = {}
        for at in np.argsort(-(rows @ group.mean(axis=0)), kind="stable"):
            caption_text = " ".join(str(captions[told[at]]).split())
            chosen.setdefault(
                caption_text.casefold(),
                caption_text if len(caption_text) <= _LONGEST else f"{caption_text[: _LONGEST - 4]} ...",
            )
            if len(chosen) == most:
                break
        near.append(tuple(chosen.values()))
    return near
