"""Sentences into queries: the image budget of a class split over its prompts, namesakes told apart.

The paper's retrieval uses one photo prompt per class, or CuPL sentences with the image budget split evenly over at
most ten of them [Udandarao et al., ICCV 2023, section 4 and the released code].
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from susx.config import OVER_FETCH, ClassHints
from susx.errors import InputError
from susx.records import Prompt
from susx.seeds import derive_seed

__all__ = ["Query", "queries_for", "reworded", "split_budget"]


@dataclass(frozen=True)
class Query:
    """One search.

    Attributes:
        class_name: the class its results stand for.
        text: the sentence that is searched.
        prompt: the sentence before disambiguation (provenance).
        wanted: candidates asked for.
        exclude: lower-case words; a result whose caption holds one is dropped.
        subject: what is searched for (search name or class name); captions are matched by its words.
        context: what tells the class from its namesakes ("a bird"), for sources that are searched by words.
    """

    class_name: str
    text: str
    prompt: str
    wanted: int
    exclude: tuple[str, ...] = field(default=())
    subject: str = ""
    context: str = ""

    def admits(self, caption: str | None) -> bool:
        """Whether a caption is free of the excluded words (whole words, any case)."""
        if not self.exclude or not caption:
            return True
        pattern = "|".join(re.escape(word) for word in self.exclude)
        return re.search(rf"(?<!\w)(?:{pattern})(?!\w)", caption.lower()) is None


def split_budget(budget: int, parts: int) -> list[int]:
    """Split a budget into ``parts`` counts that differ by at most one; the first ones take the rest.

    >>> split_budget(10, 4)
    [3, 3, 2, 2]
    """
    base, rest = divmod(budget, parts)
    return [base + (index < rest) for index in range(parts)]


def queries_for(
    class_name: str,
    prompts: Sequence[Prompt],
    hints: ClassHints | None,
    budget: int,
    *,
    over_fetch: float = OVER_FETCH,
    max_sentences: int = 10,
    seed: int = 0,
) -> list[Query]:
    """Return the queries of one class for ``budget`` images.

    When there are more sentences than ``max_sentences`` or than images, that many are drawn by a seed derived from
    the class, so that the choice does not depend on other classes.

    Args:
        class_name: the class.
        prompts: its sentences (one photo prompt, or CuPL's).
        hints: search name, context and excluded words of the class.
        budget: images wanted in the end.
        over_fetch: candidates asked for per image wanted.
        max_sentences: at most this many sentences share the budget.
        seed: root seed of the run.

    Raises:
        InputError: there is no sentence for the class, or the budget is not positive.
    """
    texts = list(dict.fromkeys(prompt.text for prompt in prompts if prompt.class_name == class_name))
    if not texts:
        raise InputError(f"The class '{class_name}' has no sentence to search with; give it a prompt.")
    if budget < 1:
        raise InputError(
            f"At least one image must be asked for; got a budget of {budget} for '{class_name}'."
        )
    hints = hints or ClassHints()
    most = min(max_sentences, budget)
    if len(texts) > most:
        drawn = sorted(texts, key=lambda text: derive_seed(seed, "retrieve", class_name, text))[:most]
        texts = [text for text in texts if text in set(drawn)]
    exclude = tuple(word.lower() for word in hints.exclude)
    subject = hints.search_name or class_name
    return [
        Query(
            class_name,
            _disambiguate(text, class_name, hints),
            text,
            math.ceil(share * over_fetch),
            exclude,
            subject,
            hints.context or "",
        )
        for text, share in zip(texts, split_budget(budget, len(texts)), strict=True)
    ]


def reworded(queries: Sequence[Query], sentences: Sequence[str]) -> tuple[Query, ...]:
    """Return queries for as many images in all, with other sentences, as they stand: at most one for each image wanted."""
    budget = sum(query.wanted for query in queries)
    texts = list(sentences)[:budget]
    return tuple(
        dataclasses.replace(queries[0], text=text, prompt=text, subject=text, wanted=share)
        for text, share in zip(texts, split_budget(budget, len(texts)), strict=True)
    )


def _disambiguate(text: str, class_name: str, hints: ClassHints) -> str:
    # The photo prompt says the search name already, which may hold the class name itself (Tornado, Panavia Tornado).
    if hints.search_name and not _says(text, hints.search_name):
        text, replaced = re.subn(
            rf"(?<!\w){re.escape(class_name)}(?!\w)",
            lambda _: hints.search_name or "",
            text,
            flags=re.IGNORECASE,
        )
        if not replaced:
            text = f"{hints.search_name}. {text}"
    if hints.context and hints.context.lower() not in text.lower():
        text = f"{text.rstrip().rstrip('.')}, {hints.context}."
    return text


def _says(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, flags=re.IGNORECASE) is not None
