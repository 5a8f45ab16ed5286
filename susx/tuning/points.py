"""Search of one method's hyper-parameters on given rows."""

from __future__ import annotations

import dataclasses

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from susx.errors import InputError
from susx.methods import Calip, Evidence, ImageFeatures, TipAdapter, TipX
from susx.methods.calip import calip_terms
from susx.methods.functional import affine_map, affinity, kl_divergence, log_signature, nominal_count
from susx.search import Grid, Optimum, search_tip_adapter, search_tip_x
from susx.tuning.grids import CALIP_TEXTUAL, CALIP_VISUAL

__all__ = ["search_cache", "search_calip"]


def search_cache(
    method: TipAdapter | TipX,
    evidence: Evidence,
    query: Float[Tensor, "query dim"],
    labels: Int64[Tensor, " query"],
    grid: Grid,
    fold: Int64[Tensor, " support"] | None = None,
) -> Optimum:
    """Return the exact optimum of Tip-Adapter or TIP-X over a grid.

    Args:
        method: its switches are kept; alpha, beta and gamma are searched.
        evidence: text classifier and support.
        query: rows to classify; the support rows themselves when ``fold`` is given.
        labels: their classes.
        grid: the points.
        fold: fold of each support row; a row is then classified without the rows of its fold.
    """
    support, support_labels = evidence.support(method.name)
    text = evidence.text_classifier
    zero_shot = float(evidence.logit_scale) * (query @ text.T)
    nominal = None
    if method.weighting == "mean":
        nominal = (
            method.nominal if method.nominal is not None else nominal_count(support_labels, evidence.classes)
        )
    if isinstance(method, TipAdapter):
        return search_tip_adapter(
            zero_shot, query, support, support_labels, labels,
            grid=grid, nominal=nominal, query_fold=fold, support_fold=fold,
        )  # fmt: skip
    own, theirs = (log_signature(rows, text, method.temperature) for rows in (query, support))
    return search_tip_x(
        zero_shot, query, support, own, theirs, support_labels, labels,
        psi=_psi(method, evidence, query, own, theirs),
        grid=grid, nominal=nominal, empty_as_mean=not method.published, query_fold=fold, support_fold=fold,
    )  # fmt: skip


def _psi(method: TipX, evidence: Evidence, query: Tensor, own: Tensor, theirs: Tensor) -> tuple[float, float]:
    """Return psi as ``fit`` fixes it, or, for the published computation, as the batch of tuning rows does."""
    if not method.published:
        state = dataclasses.replace(method, slips=False).fit(evidence)
        return state.psi_scale, state.psi_offset
    divergence = kl_divergence(own, theirs)
    low, high = torch.aminmax(affinity(query, evidence.support(method.name)[0]))
    least, most = torch.aminmax(divergence)
    psi = affine_map((float(least), float(most)), (float(low), float(high)))
    return psi.scale, psi.offset


def search_calip(
    method: Calip, evidence: Evidence, query: ImageFeatures, labels: Int64[Tensor, " query"]
) -> tuple[Calip, int]:
    """Return CALIP with the best weights on the given rows, and how many it gets right.

    Its logits are linear in the two weights, so the attention is computed once. Ties go to the smallest
    textual, then the smallest visual weight.

    Raises:
        InputError: the rows come without patch features.
    """
    if query.patches is None:
        raise InputError(
            "calip: tuning needs patch features of the tuning images. Encode them, or tune 'fixed'."
        )
    text = evidence.text_classifier
    terms = [
        calip_terms(q.pooled, q.patches, text, method.temperature)
        for q in _chunks(query)
        if q.patches is not None
    ]
    visual, textual = (torch.cat([pair[i] for pair in terms]) for i in (0, 1))
    prompts = query.pooled @ text.T
    best, chosen = -1, method
    for second in CALIP_TEXTUAL[::10]:
        for first in CALIP_VISUAL[::10]:
            predicted = (prompts + float(first) * visual + float(second) * textual).argmax(dim=1)
            correct = int((predicted == labels).sum())
            if correct > best:
                best, chosen = (
                    correct,
                    dataclasses.replace(method, visual=float(first), textual=float(second)),
                )
    return chosen, best


def _chunks(query: ImageFeatures, step: int = 64) -> list[ImageFeatures]:
    return [query.rows(start, start + step) for start in range(0, len(query), step)]
