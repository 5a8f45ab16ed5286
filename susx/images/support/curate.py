"""The curation of a support set: every rule, in order, each rejection a named reason in the table.

Pure: rows and features in, the same rows in the same order out, some of them marked as rejected. What a single image or
the target tells comes first; which of the others are the support, ``choose_support`` says, here as in measurements on
features. The outcome depends on the images, not on the order of rows or classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from susx.config import CurationConfig
from susx.errors import InputError
from susx.images.duplicates import Likeness, NearRule, near_any
from susx.images.retrieve.placeholders import PLACEHOLDER, said_of
from susx.images.support.safety import SafetyTexts, column_probability, unsafe_probability
from susx.images.support.shown_instead import pages_with_the_same
from susx.methods.functional.support_choice import Alike, choose_support
from susx.records import SupportRow

__all__ = ["RULES", "curate"]

RULES = (
    PLACEHOLDER, "undecodable", "too-small", "unsafe", "contaminated", "disagrees", "duplicate", "surplus", "unbalanced",
)  # fmt: skip
"""Reasons that curation gives, in the order in which they are tried; retrieval adds its own before them."""


def curate(
    rows: Sequence[SupportRow],
    features: Float[Tensor, "support dim"],
    texts: Mapping[str, Float[Tensor, " dim"]],
    logit_scale: float,
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
        logit_scale: of the cosines with these.
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
    shown = pages_with_the_same(rows, features)
    result = _reject([*rows], PLACEHOLDER, shown.__contains__, lambda at: said_of(shown[at]))
    result = [_by_facts(row, config) if row.kept else row for row in result]
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
    return _chosen(result, features, texts, logit_scale, per_class, config.balance, likeness, rule)


def _chosen(
    rows: list[SupportRow],
    features: Float[Tensor, "support dim"],
    texts: Mapping[str, Float[Tensor, " dim"]],
    logit_scale: float,
    per_class: int,
    balance: Literal["none", "truncate"],
    likeness: Likeness,
    rule: NearRule,
) -> list[SupportRow]:
    """Mark the rows that ``choose_support`` does not choose, and those that no class may have more of than the poorest."""
    names = sorted(texts)
    label = {name: number for number, name in enumerate(names)}
    # Equal scores are taken in the order of the candidates, so that order is made of what the images are.
    order = sorted(range(len(rows)), key=lambda at: (rows[at].digest, rows[at].prompt, rows[at].file))
    candidates = [rows[at] for at in order]
    labels = torch.tensor([label[row.class_name] for row in candidates], dtype=torch.int64)
    origins = sorted({row.origin for row in candidates})
    choice = choose_support(
        torch.stack([texts[name].float() for name in names]),
        logit_scale,
        features[order],
        labels,
        per_class,
        refused=[row.rejected for row in candidates],
        provided=torch.tensor([row.origin == "provided" for row in candidates], dtype=torch.bool),
        sources=torch.tensor([origins.index(row.origin) for row in candidates], dtype=torch.int64),
        alike=_alike(candidates, likeness.at(torch.tensor(order, dtype=torch.int64)), rule),
    )
    quota = per_class
    if balance == "truncate" and len(rows):
        quota = min(quota, int(torch.bincount(labels[choice.kept], minlength=len(names)).min()))
    seats = dict.fromkeys(names, 0)
    for at in choice.kept.tolist():
        row = candidates[at]
        seats[row.class_name] += 1
        if balance == "truncate" and seats[row.class_name] > quota:
            candidates[at] = row.reject("unbalanced", f"The poorest class has {quota} images.")
    result = list(rows)
    for number, at in enumerate(order):
        row, reason = candidates[number], choice.reasons[number]
        if row.kept and reason == "duplicate":
            twin = candidates[int(choice.twins[number])]
            row = row.reject(reason, f"Near-duplicate of {twin.url or twin.file or twin.digest[:12]}.")
        elif row.kept and reason:
            row = row.reject(reason, f"{per_class} images of '{row.class_name}' came first.")
        result[at] = row
    return result


def _alike(rows: Sequence[SupportRow], likeness: Likeness, rule: NearRule) -> Alike:
    """Return which pairs are near-duplicates; equal files are, whatever is known of them."""
    numbers: dict[str, int] = {}
    files = torch.tensor([numbers.setdefault(row.digest, len(numbers)) for row in rows], dtype=torch.int64)
    has_image = torch.tensor([bool(row.digest) for row in rows], dtype=torch.bool)

    def near(one: Tensor, other: Tensor) -> Tensor:
        equal = (files[one][:, None] == files[other][None, :]) & has_image[one][:, None]
        return torch.from_numpy(likeness.at(one).near(likeness.at(other), rule)) | equal

    return near


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
    text_of_row = torch.stack([texts[row.class_name].float() for row in rows])
    return [float(value) for value in (features * text_of_row).sum(dim=1)]


def _contamination(
    rows: list[SupportRow], images: Likeness, hashes: Sequence[str], features: Tensor | None, rule: NearRule
) -> list[SupportRow]:
    if features is None:
        # Without the target's features its hashes decide alone.
        rule = dataclasses.replace(rule, measure="hash")
        features = torch.zeros(len(hashes), images.features.shape[1])
    alive = [row_number for row_number, row in enumerate(rows) if row.kept]
    nearest = near_any(images.at(torch.tensor(alive, dtype=torch.long)), Likeness.of(hashes, features), rule)
    hits = {row_number: at for row_number, at in zip(alive, nearest, strict=True) if at >= 0}
    return _reject(
        rows, "contaminated", lambda at: at in hits, lambda at: f"Near-duplicate of target image {hits[at]}."
    )


def _reject(
    rows: list[SupportRow], rule: str, bad: Callable[[int], bool], detail: Callable[[int], str]
) -> list[SupportRow]:
    return [row.reject(rule, detail(at)) if row.kept and bad(at) else row for at, row in enumerate(rows)]
