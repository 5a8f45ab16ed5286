"""What the cards of classifiers and support sets share: licences, accuracies, and text that stays within its cell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from susx.errors import ConfigError, InputError, did_you_mean
from susx.printable import for_terminal
from susx.records import SupportRow

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

__all__ = ["LICENCES", "Accuracy", "accuracies_of", "cell", "choose_licence", "eval_results", "item", "table"]

LICENCES = frozenset(
    [
        "afl-3.0",
        "agpl-3.0",
        "apache-2.0",
        "artistic-2.0",
        "bsd",
        "bsd-2-clause",
        "bsd-3-clause",
        "bsl-1.0",
        "c-uda",
        "cc",
        "cc-by-2.0",
        "cc-by-2.5",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nc-nd-3.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0",
        "cc-by-nd-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc0-1.0",
        "cdla-permissive-1.0",
        "cdla-permissive-2.0",
        "cdla-sharing-1.0",
        "creativeml-openrail-m",
        "etalab-2.0",
        "gpl",
        "gpl-2.0",
        "gpl-3.0",
        "isc",
        "lgpl",
        "lgpl-2.1",
        "lgpl-3.0",
        "mit",
        "mpl-2.0",
        "odbl",
        "odc-by",
        "openrail",
        "openrail++",
        "other",
        "pddl",
        "unknown",
        "unlicense",
        "wtfpl",
    ]
)
"""Identifiers of the field ``license`` that an index's own words are matched with; what is none of these counts as unknown."""

_ADDRESS = re.compile(r"creativecommons\.org/licenses/(by[a-z-]*)/(\d\.\d)")


@dataclass(frozen=True)
class Accuracy:
    """One measured row: top-1 and its 95 % interval as shares of 1, over ``images`` of a data set's test split."""

    method: str
    tuning: str
    top1: float
    low: float
    high: float
    images: int


def accuracies_of(summary: Mapping[str, Any]) -> list[Accuracy]:
    """Return the rows of a run's ``run.json`` that have numbers; whatever else it holds is passed over."""
    accuracies = []
    for row in summary.get("methods") or ():
        try:
            top1, low, high = (float(row[name]) for name in ("top1", "low", "high"))
            tuning = str(row.get("tuning") or "")
            accuracies.append(Accuracy(str(row["method"]), tuning, top1, low, high, int(row["n"])))
        except (KeyError, TypeError, ValueError):
            continue
    return accuracies


def eval_results(rows: Iterable[Accuracy], dataset: str) -> list[EvalResult]:
    """Return rows for a card's ``model-index``; the interval is in the metric's name, for people, and in its arguments."""
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type="image-classification", dataset_type=dataset, dataset_name=dataset, dataset_split="test",
            metric_type="accuracy", metric_value=round(row.top1, 6), metric_config=f"{row.method} {row.tuning}".strip(),
            metric_name=f"top-1, {row.method} {row.tuning or '-'} "
            f"(95 % interval {row.low:.4f} to {row.high:.4f}, {row.images} images)",
            metric_args={
                "method": row.method, "tuning": row.tuning, "confidence": 0.95, "low": round(row.low, 6),
                "high": round(row.high, 6), "images": row.images,
            },
        )
        for row in rows
    ]  # fmt: skip


def choose_licence(chosen: str | None, rows: Iterable[SupportRow]) -> str:
    """Return the identifier for a card's field ``license``.

    Args:
        chosen: what the user said.
        rows: images whose licences the index may know; one that they all have is taken where nothing is given.

    Raises:
        ConfigError: ``chosen`` cannot be an identifier of the Hub.
        InputError: nothing is given, and the images have none or several.
    """
    if chosen is not None:
        # Whether it is one the Hub knows is asked of the Hub by its client, before it commits a card.
        if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", chosen.lower()):
            raise ConfigError(
                f"'{chosen}' cannot be an identifier of a licence on the Hub, such as cc-by-4.0.{did_you_mean(chosen.lower(), LICENCES)} "
                "Where none fits, give 'other'."
            )
        return chosen.lower()
    licences = Counter(identifier(row.licence or "") for row in rows)
    if len(licences) == 1 and (only := next(iter(licences))) != "unknown":
        return only
    licence_text = (
        ", ".join(f"{count} {name}" for name, count in licences.most_common(4)) or "there are no images"
    )
    raise InputError(
        f"A card needs a licence, and the images do not agree on one ({licence_text}); nothing was pushed. Say one with --license: an "
        "identifier of the Hub such as cc-by-4.0, or 'other', or 'unknown'."
    )


def identifier(licence: str) -> str:
    """Return the Hub's identifier of a licence as an index writes it, ``unknown`` where there is none.

    >>> identifier("https://creativecommons.org/licenses/by/4.0/"), identifier("CC BY 4.0"), identifier("?")
    ('cc-by-4.0', 'cc-by-4.0', 'unknown')
    """
    address = _ADDRESS.search(licence)
    word = f"cc-{address[1]}-{address[2]}" if address else re.sub(r"[\s_]+", "-", licence.strip().lower())
    return word if word in LICENCES else "unknown"


def cell(text: object, longest: int | None = 200) -> str:
    """Return foreign text for a cell of a Markdown table: one line of at most ``longest`` characters, and neither markup nor HTML."""
    plain = " ".join(for_terminal(str(text)).split())[:longest]
    return re.sub(r"([\\`*_{}\[\]()#|!~])", r"\\\1", plain).replace("&", "&amp;").replace("<", "&lt;")


def item(text: object) -> str:
    """Return foreign text for an item of a Markdown list, all of it: it begins no list, quotation or rule of its own."""
    return re.sub(r"^([-+>=]|\d+(?=[.)]))", lambda match: _unmarked(match[1]), cell(text, None))


def _unmarked(start: str) -> str:
    return f"&#{ord(start[0])};{start[1:]}"


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, longest: int | None = 200) -> str:
    """Return a Markdown table whose cells have at most ``longest`` characters."""
    lines = [header, ["---"] * len(header), *([cell(value, longest) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
