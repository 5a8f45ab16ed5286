"""From features of sentences to the text classifier."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from susx.errors import InputError, MismatchError
from susx.naming.class_text import ClassText

__all__ = ["TextClassifier", "classifier_from_sentences", "text_classifier"]

logger = logging.getLogger(__name__)

_ROUNDING = 1e-6
"""Two encodings of the same tokens in float32 differ by less in each number."""


@dataclass(frozen=True)
class TextClassifier:
    """The mean sentence of every class.

    Attributes:
        names: the classes, in the order of the rows.
        rows: one unit row a class.
        logit_scale: of the cosines with these.
        by_own_name: the rows that the classes' own names would have made; None where all are called by them.
    """

    names: tuple[str, ...]
    rows: Float[Tensor, "classes dim"]
    logit_scale: float
    by_own_name: Float[Tensor, "classes dim"] | None = None

    def of(self, classes: Sequence[str]) -> TextClassifier:
        """Return it with the classes in another order, or some of them."""
        row_of = {name: row for row, name in enumerate(self.names)}
        rows = [row_of[name] for name in classes]
        own_rows = None if self.by_own_name is None else self.by_own_name[rows]
        return dataclasses.replace(self, names=tuple(classes), rows=self.rows[rows], by_own_name=own_rows)


def text_classifier(texts: Mapping[str, ClassText]) -> TextClassifier:
    """Return the mean sentence of every class; the classes are sorted by name, so that the order of a list does not matter.

    Raises:
        InputError, MismatchError: as ``classifier_from_sentences``.
    """
    names = sorted(texts)
    rows = classifier_from_sentences({name: texts[name].sentences for name in names})
    own_rows = None
    if any(text.by_own_name is not None for text in texts.values()):
        sentences = {name: texts[name].sentences for name in names}
        named = {name: text.by_own_name for name, text in texts.items() if text.by_own_name is not None}
        own_rows = classifier_from_sentences(sentences | named)
    return TextClassifier(tuple(names), rows, texts[names[0]].logit_scale, own_rows)


def classifier_from_sentences(features: Mapping[str, Float[Tensor, "_ dim"]]) -> Float[Tensor, "classes dim"]:
    """Return one unit row per class: the mean of its sentences' unit rows, brought to unit norm (Radford et
    al. 2021).

    Args:
        features: class name to the features of its sentences, in the order of the class list. Each sentence
            counts once whatever its length, and each class may have another number of them.

    Raises:
        InputError: no classes, a class without sentences, or sentences that cancel or hold NaN; names the
            class.
        MismatchError: sentences of two classes have different widths.

    >>> classifier_from_sentences({"cat": torch.tensor([[2.0, 0.0], [0.0, 1.0]])})
    tensor([[0.7071, 0.7071]])
    """
    if not features:
        raise InputError("There are no classes to build a text classifier of. Give class names.")
    rows = [_mean(name, sentences.float()) for name, sentences in features.items()]
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise MismatchError(
            f"Sentence features have widths {sorted(widths)}. Encode all with the same model."
        )
    if twins := _twins(torch.stack(rows)):
        names = [*features]
        shown = "; ".join(f"'{names[one]}' and '{names[other]}'" for one, other in twins[:3])
        logger.warning(
            "%d pair(s) of classes have one text: %s%s. No classifier by text can tell them apart. The encoder reads no more of their "
            "sentences, or takes no notice of what differs (upper and lower case): let them differ earlier (search_name, or prompts of "
            "their own).",
            len(twins), shown, "; ..." if len(twins) > 3 else "",
        )  # fmt: skip
    return torch.stack(rows)


def _twins(rows: Float[Tensor, "classes dim"]) -> list[tuple[int, int]]:
    """Return the pairs of classes whose rows are one but for rounding, in order."""
    pairs = []
    for start in range(0, len(rows), 1024):
        near = rows[start : start + 1024] @ rows.T > 1 - _ROUNDING
        for one, other in near.nonzero().tolist():
            # Cosines of float32 cannot tell 1 - 1e-7 from 1: the rows themselves can.
            if start + one < other and torch.allclose(rows[start + one], rows[other], rtol=0, atol=_ROUNDING):
                pairs.append((start + one, other))
    return pairs


def _mean(name: str, sentences: Float[Tensor, "prompts dim"]) -> Float[Tensor, " dim"]:
    if sentences.ndim != 2 or not len(sentences):
        raise InputError(
            f"Class '{name}' has no sentences (shape {tuple(sentences.shape)}). Give every class at least one prompt."
        )
    mean = torch.nn.functional.normalize(sentences, dim=-1).mean(dim=0)
    norm = mean.norm()
    if not bool(norm > 1e-6):
        raise InputError(
            f"Class '{name}': its sentences' features are NaN, zero or cancel out. Encode them again."
        )
    row: Tensor = mean / norm
    return row
