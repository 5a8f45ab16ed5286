"""Names of organisms: which of the taxa that a source offers for a name is meant, and what to propose where none is."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from susx.config.spelling import plain
from susx.images.retrieve.candidates import Candidate
from susx.images.retrieve.queries import Query

__all__ = ["Taxon", "find_taxon", "meant", "no_taxon", "stem"]

_RANKS = ("species", "genus", "family", "order", "class", "subspecies", "variety")


@dataclass(frozen=True)
class Taxon:
    """One taxon of a source.

    Attributes:
        number: its id there.
        name: scientific name.
        rank: in small letters.
        common: names in languages of people, as the source offers them.
        group: a larger group by which namesakes are told apart (Aves, Plantae).
        records: how many there are of it, for the choice among equals.
    """

    number: str
    name: str
    rank: str = ""
    common: tuple[str, ...] = ()
    group: str = ""
    records: int = 0


def meant(name: str, context: str, offered: Sequence[Taxon]) -> Taxon | None:
    """Return the taxon whose scientific or common name is ``name``, in singular or plural; None where none is.

    Of several the one whose group the context names comes first, then species before genera and families, then the one with most records.

    >>> cranes = Taxon("1", "Gruidae", "family", ("Cranes",), "Aves", 9), Taxon("2", "Crania", "genus", ("Crane",), "Brachiopoda", 1)
    >>> meant("crane", "a bird (Aves)", cranes).name
    'Gruidae'
    """
    asked = plain(name)
    forms = {asked, asked + "s", asked + "es", asked.removesuffix("s")}
    fitting = [one for one in offered if any(plain(called) in forms for called in (one.name, *one.common))]

    def order(one: Taxon) -> tuple[bool, bool, int, int, str]:
        exact = any(plain(name) == asked for name in (one.name, *one.common))
        rank = _RANKS.index(one.rank) if one.rank in _RANKS else len(_RANKS)
        told = bool(one.group) and one.group.lower() in context.lower()
        return (not told, not exact, rank, -one.records, one.number)

    return min(fitting, key=order, default=None)


def find_taxon(query: Query, source: str, taxa: Callable[[str], list[Taxon]]) -> Taxon | Candidate:
    """Return the taxon that a class means, or a refused candidate that says that it is none.

    Args:
        query: of the class.
        source: name of the backend.
        taxa: asks the source for the taxa it offers for a name.
    """
    name = query.subject or query.class_name
    offered = taxa(name)
    taxon = meant(name, query.context, offered)
    if taxon is None:  # sources search by beginnings: a plural is the beginning of no singular
        offered = [*offered, *taxa(stem(name))]
        taxon = meant(name, query.context, offered)
    return no_taxon(query, source, offered) if taxon is None else taxon


def stem(name: str) -> str:
    """Return the beginning of a name, by which its neighbours are asked for."""
    word = max(plain(name).split(), key=len, default="")
    return word[: max(4, len(word) // 2)]


def no_taxon(query: Query, source: str, offered: Sequence[Taxon]) -> Candidate:
    """Return the row that says that a class is no taxon of a source, with the nearest names it has."""
    names = {name: one for one in offered for name in (one.name, *one.common)}
    near = (
        difflib.get_close_matches(query.subject or query.class_name, names, n=3, cutoff=0.5)
        or list(names)[:3]
    )
    proposed = f"The nearest there: {', '.join(near)}." if near else "Nothing there has a similar name."
    return Candidate(
        class_name=query.class_name, prompt=query.prompt, query=query.text, item=f"{source}:no-taxon:{query.class_name}", similarity=0.0,
        source=source, refused="no-taxon",
        detail=f"'{query.subject or query.class_name}' is no taxon of {source}. {proposed} Say which is meant with the class's search_name (hints).",
    )  # fmt: skip
