"""From what a language model answered to sentences about one class."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from susx.config.spelling import plain
from susx.naming.sentences import clean

__all__ = ["BadAnswer", "Checked", "check_sentences", "mentions", "parse_answer"]

MAX_WORDS = 60
"""A longer item is a paragraph, not a sentence; CLIP reads 77 tokens."""

_BULLET = re.compile(r"^\s*(?:[-*•]|\(?\d{1,3}[.):])\s+(.*\S)\s*$")
_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


class BadAnswer(Exception):
    """An answer that holds no usable sentences; the reason is fit to be shown and to be told to the model."""


@dataclass(frozen=True)
class Checked:
    """Sentences of one class.

    Attributes:
        sentences: kept, in order.
        flagged: those of them that do not name the class: to be looked at by a person.
        dropped: about another class of the data set, or too long.
    """

    sentences: tuple[str, ...]
    flagged: tuple[str, ...]
    dropped: tuple[str, ...]


def parse_answer(text: str) -> tuple[str, ...]:
    """Return the sentences of an answer: a JSON list (alone, in a code fence, or as the only list of an object), or
    a list with bullets or numbers.

    Raises:
        BadAnswer: running prose, an empty list, or a list of something else.

    >>> parse_answer('["A cat sleeps.", "A cat runs."]')
    ('A cat sleeps.', 'A cat runs.')
    """
    fenced = _FENCE.search(text)
    body = (fenced.group(1) if fenced else text).strip()
    listed = _json_list(body)
    if listed is None:
        listed = [match.group(1) for line in body.splitlines() if (match := _BULLET.match(line))]
        if not listed:
            raise BadAnswer(f"expected a JSON list of sentences, found prose: {_shorten(text)}")
    sentences = clean([item.strip().strip('"') for item in listed])
    if not sentences:
        raise BadAnswer("expected a list of sentences, found an empty one")
    return sentences


def _json_list(body: str) -> list[str] | None:
    start, end = body.find("["), body.rfind("]")
    for candidate in (body, body[start : end + 1] if 0 <= start < end else ""):
        try:
            data = json.loads(candidate)
        except ValueError:
            continue
        if isinstance(data, dict) and len(data) == 1:
            data = next(iter(data.values()))
        if isinstance(data, list):
            if not all(isinstance(item, str) for item in data):
                raise BadAnswer(
                    f"expected a list of sentences, found a list of other things: {_shorten(body)}"
                )
            return data
    return None


def check_sentences(sentences: Iterable[str], names: Iterable[str], others: Iterable[str]) -> Checked:
    """Sort sentences into kept, flagged and dropped.

    Args:
        sentences: what was answered.
        names: the class's own names (class name, search name).
        others: names of the other classes; a sentence that names one of them and not its own class is dropped.
    """
    own_names, other = tuple(names), [name for name in others if len(plain(name)) > 2]
    kept, flagged, dropped = [], [], []
    for sentence in clean(list(sentences)):
        if len(sentence.split()) > MAX_WORDS:
            dropped.append(sentence)
        elif any(mentions(sentence, name) for name in own_names):
            kept.append(sentence)
        elif any(mentions(sentence, name) for name in other):
            dropped.append(sentence)
        else:
            kept.append(sentence)
            flagged.append(sentence)
    return Checked(tuple(kept), tuple(flagged), tuple(dropped))


def mentions(sentence: str, name: str) -> bool:
    """Whether a sentence names a class: all words of the name next to each other, singular or plural.

    >>> mentions("Two tabby cats on a wall.", "tabby_cat"), mentions("A category.", "cat")
    (True, False)
    """
    ending = r"(?:e?s|e|ies|ys?|'s|')?"
    # A class of flowers102 is "pink-yellow dahlia?": the doubt of its authors is no part of the name.
    patterns = [re.escape(_stem(word.rstrip("?!") or word)) + ending for word in plain(name).split()]
    return re.search(r"(?<!\w)" + r"\W+".join(patterns) + r"(?!\w)", plain(sentence)) is not None


def _stem(word: str) -> str:
    for ending in ("ies", "es", "s", "y"):
        if word.endswith(ending) and len(word) - len(ending) > 2 - (ending == "y"):
            return word[: -len(ending)]
    return word


def _shorten(text: str) -> str:
    flat = " ".join(text.split())
    return repr(flat[:160] + ("..." if len(flat) > 160 else ""))
