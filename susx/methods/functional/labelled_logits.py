"""Logits with the say of images that a person labelled: the formula of ``labelled_prototypes``, where its fit is given."""

from __future__ import annotations

from jaxtyping import Float

from susx.methods.functional.arrays import Array, library, logsumexp, softmax

__all__ = ["GAIN", "GROUP", "labelled_logits"]

GAIN = 60.0
"""Weight of a prototype that is trusted whole. Chosen with ``GROUP`` and ``label_trust.PRIOR`` on images that no table reports:
SUN397's other half of val with other draws of the shots, and what 16 shots leave of DTD's val."""

GROUP = 10.0
"""Weight of the evidence that an image belongs to the labelled classes at all."""


def labelled_logits(
    base: Float[Array, "query classes"],
    added: Float[Array, "query classes"],
    scores: Float[Array, "query classes"],
    trust: Float[Array, " classes"],
    stranger: float,
    *,
    weight: float = 1.0,
    every_class: bool = False,
) -> Float[Array, "query classes"]:
    """Return the logits with the labelled images' say.

    Args:
        base: logits without it.
        added: the term of retrieved images in ``base``.
        scores: s.
        trust: lambda.
        stranger: see ``LabelledPrototypes``.
        weight: multiplies what the labelled images add; 0 gives ``base`` where ``added`` is 0.
        every_class: all classes have labelled images, so that what they share is left out.
    """
    told = base + trust * (weight * GAIN * scores - added)
    if every_class:
        return told
    seen = trust > 0
    of = library(told)
    within, before = (of.where(seen, z, -of.inf) for z in (told, base))
    group = (softmax(within) * trust * (scores - stranger)).sum(axis=1, keepdims=True)
    moved = logsumexp(before) - logsumexp(within)
    return of.where(seen, told + moved + weight * GROUP * group, base)
