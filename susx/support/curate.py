"""The curation of a support set: every rule, in order, each rejection a named reason in the table.

Pure: rows and features in, the same rows in the same order out, some of them marked as rejected. The outcome depends
on the images, not on the order of rows or classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from susx.config import CurationConfig
from susx.errors import InputError
from susx.records import SupportRow
from susx.support.duplicates import Likeness, NearRule, first_duplicates, near_any
from susx.support.safety import SafetyTexts, column_probability, unsafe_probability
from susx.support.select import select

__all__ = ["RULES", "curate"]

RULES = (
    "undecodable", "too-small", "unsafe", "contaminated", "disagrees", "duplicate", "duplicate-across-classes",
    "surplus", "unbalanced",
)  # fmt: skip
"""Reasons that curation gives, in the order in which they are tried; retrieval adds its own before them."""


def curate(
    rows: Sequence[SupportRow],
    features: Float[Tensor, "support dim"],
    texts: Mapping[str, Float[Tensor, " dim"]],
    target_hashes: Sequence[str],
    target_features: Float[Tensor, "query dim"] | None,
    config: CurationConfig,
    per_class: int,
    *,
    safety: SafetyTexts | None = None,
) -> list[SupportRow]:
    """Mark the rows that do not belong into the support set.

    Args:
        rows: candidates with sizes and hashes filled in; those rejected before stay rejected.
        features: unit rows of the same images; a rejected row's may be zeros.
        texts: class -> unit vector of its sentences; classes without rows are legal.
        target_hashes: perceptual hashes of the target's val and test images; empty when those are not present.
        target_features: their unit rows, in the same order; None lets the hashes decide alone.
        config: thresholds.
        per_class: images wanted per class.
        safety: embedded sentences for the zero-shot safety rule; used when ``config.clip_safety``.

    Raises:
        InputError: rows and features differ in number, or a class has no text.
    """
    if len(rows) != len(features):
        raise InputError(
            f"Curation got {len(rows)} rows and features of {len(features)} images; they must pair up."
        )
    missing = sorted({row.class_name for row in rows} - texts.keys())
    if missing:
        raise InputError(f"Curation has rows of '{missing[0]}' but no text feature for it.")
    if target_features is not None and len(target_features) != len(target_hashes):
        raise InputError("Hashes and features of the target's images must be of the same images.")
    features = features.float()
    agreement = _agreement(rows, features, texts)
    scores = [_score(row, own) for row, own in zip(rows, agreement, strict=True)]
    result = [_by_facts(row, config) if row.kept else row for row in rows]
    if config.clip_safety:
        if safety is None:
            raise InputError("curation.clip_safety is on, but no safety sentences were embedded.")
        unsafe = unsafe_probability(features, safety).tolist()
        result = _reject(
            result,
            "unsafe",
            lambda at: unsafe[at] > config.max_nsfw,
            lambda at: f"Zero-shot: {unsafe[at]:.2f} unsafe.",
        )
    likeness = Likeness.of([row.phash for row in rows], features)
    rule = NearRule(config.duplicate_rule, config.phash_distance, config.duplicate_cosine)
    if config.contamination and len(target_hashes):
        result = _contamination(result, likeness, target_hashes, target_features, rule)
    if config.min_similarity is not None:
        least = config.min_similarity
        result = _reject(
            result, "disagrees", lambda at: agreement[at] < least and rows[at].origin != "provided",
            lambda at: f"Cosine to the class's text is {agreement[at]:.3f}; at least {least} is asked for.",
        )  # fmt: skip
    result = _duplicates(result, scores, likeness, rule)
    return select(result, scores, per_class, config.balance, tuple(texts))


def _score(row: SupportRow, agreement: float) -> float:
    """Return what images are ranked by: a person's own, of which no search doubts that they are of the class, come first."""
    if row.origin == "provided":
        return 2 + agreement
    return agreement if row.similarity is None else row.similarity


def _by_facts(row: SupportRow, config: CurationConfig) -> SupportRow:
    if min(row.width, row.height) == 0 and row.file:
        return row.reject("undecodable", "The image could not be decoded.")
    if row.file and min(row.width, row.height) < config.min_side:
        return row.reject(
            "too-small", f"{row.width}x{row.height} pixels; the shorter side needs {config.min_side}."
        )
    probability = column_probability(row.nsfw)
    if probability is not None and probability > config.max_nsfw:
        return row.reject("unsafe", f"The index says {row.nsfw}.")
    return row


def _agreement(rows: Sequence[SupportRow], features: Tensor, texts: Mapping[str, Tensor]) -> list[float]:
    if not rows:
        return []
    own = torch.stack([texts[row.class_name].float() for row in rows])
    return [float(value) for value in (features * own).sum(dim=1)]


def _contamination(
    rows: list[SupportRow], images: Likeness, hashes: Sequence[str], features: Tensor | None, rule: NearRule
) -> list[SupportRow]:
    if features is None:
        # Without the target's features its hashes decide alone.
        rule = dataclasses.replace(rule, measure="hash")
        features = torch.zeros(len(hashes), images.features.shape[1])
    alive = [place for place, row in enumerate(rows) if row.kept]
    found = near_any(images.at(torch.tensor(alive, dtype=torch.long)), Likeness.of(hashes, features), rule)
    hits = {place: at for place, at in zip(alive, found, strict=True) if at >= 0}
    return _reject(
        rows, "contaminated", lambda at: at in hits, lambda at: f"Near-duplicate of target image {hits[at]}."
    )


def _duplicates(
    rows: list[SupportRow], scores: Sequence[float], images: Likeness, rule: NearRule
) -> list[SupportRow]:
    order = sorted(
        (place for place, row in enumerate(rows) if row.kept),
        key=lambda at: (-scores[at], rows[at].digest, rows[at].class_name, rows[at].prompt, rows[at].file),
    )
    twins: dict[int, int] = {}
    first: dict[str, int] = {}
    for place in order:
        if rows[place].digest and rows[place].digest in first:
            twins[place] = first[rows[place].digest]
        else:
            first.setdefault(rows[place].digest, place)
    unique = [place for place in order if place not in twins]
    near = first_duplicates(images.at(torch.tensor(unique, dtype=torch.long)), rule)
    twins |= {place: unique[at] for place, at in zip(unique, near, strict=True) if at >= 0}
    result = list(rows)
    for place, twin in twins.items():
        same = rows[place].class_name == rows[twin].class_name
        reason = "duplicate" if same else "duplicate-across-classes"
        name = rows[twin].url or rows[twin].file or rows[twin].digest[:12]
        result[place] = rows[place].reject(reason, f"Near-duplicate of {name} ('{rows[twin].class_name}').")
    return result


def _reject(
    rows: list[SupportRow], rule: str, bad: Callable[[int], bool], detail: Callable[[int], str]
) -> list[SupportRow]:
    return [row.reject(rule, detail(at)) if row.kept and bad(at) else row for at, row in enumerate(rows)]
