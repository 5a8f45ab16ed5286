"""From the candidates of all sources to the support set: rows and features put together, curated, and the features of those that are kept."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from susx.config import CurationConfig
from susx.errors import NoSupportError
from susx.features.encoded import EncodedImages
from susx.images.support.curate import curate
from susx.images.support.safety import SafetyTexts
from susx.records import SupportRow

__all__ = ["SupportFeatures", "curate_sources"]

logger = logging.getLogger(__name__)

_KINDS = ("image", "patches", "adapted")


@dataclass(frozen=True)
class SupportFeatures:
    """Features of the images that are kept, in the order of their rows; a kind that not all sources deliver is None."""

    image: Float[Tensor, "support dim"] | None = None
    patches: Float[Tensor, "support patches dim"] | None = None
    adapted: Float[Tensor, "support dim"] | None = None


def curate_sources(
    sources: Sequence[tuple[Sequence[SupportRow], EncodedImages]],
    texts: Mapping[str, Float[Tensor, " dim"]],
    logit_scale: float,
    target_hashes: Sequence[str],
    target_features: Float[Tensor, "query dim"] | None,
    config: CurationConfig,
    per_class: int,
    *,
    safety: SafetyTexts | None = None,
) -> tuple[list[SupportRow], SupportFeatures]:
    """Return the rows of all sources, curated, and the features of those that are kept.

    Args:
        sources: candidates, and features of those of them that are not rejected yet.
        texts, logit_scale, target_hashes, target_features, config, per_class, safety: see ``curate``.

    Raises:
        NoSupportError: every candidate is rejected; says for what.
    """
    rows = [row for candidates, _ in sources for row in candidates]
    places = {kind: [*_places(sources, kind)] for kind in _KINDS}
    parts = {kind: [*_parts(sources, kind)] for kind in _KINDS}
    dim = next(iter(texts.values())).shape[0]
    features = torch.zeros(len(rows), dim)
    if parts["image"]:
        features[places["image"]] = torch.cat(parts["image"])
    result = curate(
        rows, features, texts, logit_scale, target_hashes, target_features, config, per_class, safety=safety
    )
    kept = [at for at, row in enumerate(result) if row.kept]
    if result and not kept:
        raise NoSupportError(_none_left(result))
    chosen: dict[str, Tensor] = {}
    for kind in _KINDS:
        if not places[kind]:
            continue
        row_of = {row: at for at, row in enumerate(places[kind])}
        if row_of.keys() >= set(kept):
            chosen[kind] = torch.cat(parts[kind])[[row_of[at] for at in kept]]
        else:
            logger.warning("A source of images has no %s features: the support set has none.", kind)
    return result, SupportFeatures(**chosen)


def _places(sources: Sequence[tuple[Sequence[SupportRow], EncodedImages]], kind: str) -> Iterator[int]:
    """Yield which rows of all sources have features of a kind."""
    start = 0
    for rows, encoded in sources:
        if getattr(encoded, kind) is not None:
            yield from (start + at for at, row in enumerate(rows) if row.kept)
        start += len(rows)


def _parts(sources: Sequence[tuple[Sequence[SupportRow], EncodedImages]], kind: str) -> Iterator[Tensor]:
    """Yield the features of a kind; those of no image have no shape that others could be put together with."""
    for rows, encoded in sources:
        if getattr(encoded, kind) is not None and any(row.kept for row in rows):
            yield getattr(encoded, kind)


def _none_left(rows: Sequence[SupportRow]) -> str:
    reasons = Counter(row.rejected for row in rows)
    counts = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    example = next(row for row in rows if row.rejected == reasons.most_common(1)[0][0])
    return (
        f"None of the {len(rows)} candidate images can be used: {counts}. The first of the most frequent reason: {example.class_name}: "
        f"{example.detail or example.rejected} Change the source of images or the rule that rejects them (curation, the generator's safety checker)."
    )
