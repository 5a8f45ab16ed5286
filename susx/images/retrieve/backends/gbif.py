"""GBIF's public API (version 1): photographs of occurrence records, by scientific or common name, with the citation of their data sets.

GBIF asks that every data set whose records are used is cited; each photograph carries the citation of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import PositiveInt, field_validator

from susx.config.ingredients import NotInKey
from susx.encoder_id import EncoderId
from susx.images.retrieve.backends.backend import About, Backend, Opening
from susx.images.retrieve.backends.public_source import AT_ONCE, PublicSourceSettings
from susx.images.retrieve.backends.taxa import Taxon, find_taxon
from susx.images.retrieve.candidates import Candidate
from susx.images.retrieve.keyword import search_by_subject
from susx.images.retrieve.licences import read_licence
from susx.images.retrieve.queries import Query
from susx.images.retrieve.web import Limit, WebClient, require_contact
from susx.images.retrieve.web.fields import is_link, text
from susx.types import Json

__all__ = ["ADDRESS", "GbifBackend", "GbifSettings"]

ADDRESS = "https://api.gbif.org/v1/"
BACKBONE = "d7dddbf4-2cf0-4f39-9b2a-bb099caae36c"
"""GBIF's backbone taxonomy, in whose keys occurrences are indexed."""
PAGE = 100
_PAGES = 10


class GbifSettings(PublicSourceSettings):
    """GBIF: photographs of occurrence records."""

    about: ClassVar[About | None] = About(
        "photographs of organisms by name, as links; citations",
        "CC, of each photograph",
        "none; SUSX_CONTACT",
    )
    backend: Literal["gbif"] = "gbif"
    address: str = ADDRESS
    basis: Literal["HUMAN_OBSERVATION", "PRESERVED_SPECIMEN", "any"] = "HUMAN_OBSERVATION"
    """Basis of the record: photographs of the living, of specimens, or both."""
    doi: str | None = None
    """DOI of a download of GBIF's, or of a derived data set, that holds the records: it is cited in place of each data set."""
    per_minute: Annotated[PositiveInt, NotInKey()] = 60

    @field_validator("doi")
    @classmethod
    def _is_doi(cls, value: str | None) -> str | None:
        doi = re.sub(r"^(https?://(dx\.)?doi\.org/|doi:)", "", (value or "").strip(), flags=re.IGNORECASE)
        if value is not None and not re.fullmatch(r"10\.\d{4,9}/\S+", doi):
            raise ValueError("expected a DOI such as 10.15468/dl.abc123")
        return doi or None

    def limits(self) -> Sequence[Limit]:
        """See :meth:`PublicSourceSettings.limits`."""
        return (Limit(self.per_minute, 60),)

    def identity(self, encoder: EncoderId) -> Json:
        """Return address and basis: a service does not tell when its content changes."""
        told = {"backend": self.backend, "address": self.address, "basis": self.basis}
        return told | ({"doi": self.doi} if self.doi else {})

    def open(self, opening: Opening) -> Backend:
        """Name the service; nothing is sent yet.

        Raises:
            ConfigError: ``SUSX_CONTACT`` is not set.
        """
        require_contact("GBIF")
        return GbifBackend(self.client(opening.work, opening.build), self.licence, self.basis, self.doi)


class GbifBackend:
    """GBIF, asked by taxon."""

    def __init__(
        self, client: WebClient, licences: Sequence[str] = (), basis: str = "HUMAN_OBSERVATION",
        doi: str | None = None,
    ) -> None:  # fmt: skip
        self.client, self.licences, self.basis, self.doi = client, tuple(licences), basis, doi

    def search(self, queries: Sequence[Query]) -> list[list[Candidate]]:
        """See :class:`susx.images.retrieve.backends.Backend`; a class that is no taxon has one refused candidate, which says so.

        Raises:
            SourceDown, LimitReached: see :class:`susx.images.retrieve.web.WebClient`.
        """
        return search_by_subject(queries, self._find, at_once=AT_ONCE)

    def _find(self, query: Query) -> list[Candidate]:
        taxon = find_taxon(query, "gbif", self._taxa)
        if isinstance(taxon, Candidate):
            return [taxon]
        photographs: dict[str, Candidate] = {}
        for row in self._occurrences(taxon):
            if (one := self._photograph(query, taxon, row)) is not None:
                photographs.setdefault(one.item, one)
            if len(photographs) >= query.wanted:
                break
        return list(photographs.values())

    def _taxa(self, name: str) -> list[Taxon]:
        answer = self.client.get(
            "species/search", {"q": name, "datasetKey": BACKBONE, "status": "ACCEPTED", "limit": "30"}, _lacks
        )
        taxa = []
        for row in answer["results"]:
            if not isinstance(row, dict) or text(row.get("key")) is None:
                continue
            names = row.get("vernacularNames")
            common = [
                vernacular for one in (names if isinstance(names, list) else ())
                if isinstance(one, dict) and (vernacular := text(one.get("vernacularName")))
            ]  # fmt: skip
            scientific = text(row.get("canonicalName")) or text(row.get("scientificName")) or ""
            number = row.get("numOccurrences")
            taxa.append(
                Taxon(
                    str(text(row["key"])),
                    scientific,
                    str(row.get("rank", "")).lower(),
                    tuple(dict.fromkeys(common)),
                    text(row.get("class")) or text(row.get("kingdom")) or "",
                    number if isinstance(number, int) else 0,
                )
            )
        return taxa

    def _occurrences(self, taxon: Taxon) -> Iterator[dict[str, Any]]:
        seen: set[str] = set()
        for page in range(_PAGES):
            parameters = {
                "taxonKey": taxon.number, "mediaType": "StillImage", "limit": str(PAGE), "offset": str(page * PAGE),
            }  # fmt: skip
            if self.basis != "any":
                parameters["basisOfRecord"] = self.basis
            answer = self.client.get("occurrence/search", parameters, _lacks)
            rows = [
                row for row in answer["results"] if isinstance(row, dict) and text(row.get("key")) not in seen
            ]
            seen |= {str(text(row.get("key"))) for row in rows}
            yield from rows
            if not rows or answer.get("endOfRecords") is True:
                return

    def _photograph(self, query: Query, taxon: Taxon, row: dict[str, Any]) -> Candidate | None:
        """Return the first photograph of a record that is admitted: others show the same organism again."""
        media = row.get("media")
        for one in media if isinstance(media, list) else ():
            if not isinstance(one, dict) or not is_link(one.get("identifier")):
                continue
            code = read_licence(text(one.get("license"))) or read_licence(text(row.get("license")))
            if self.licences and (code is None or code.code not in self.licences):
                continue
            link, key = str(one["identifier"]), text(row.get("key"))
            page = one.get("references")
            called = f"{taxon.common[0]} ({taxon.name})" if taxon.common else taxon.name
            locality = ", ".join(filter(None, (text(row.get("locality")), text(row.get("country")))))
            return Candidate(
                class_name=query.class_name, prompt=query.prompt, query=query.text, item=f"gbif:{link}", similarity=0.0, url=link,
                caption=", ".join(filter(None, (called, f"taxon {taxon.number}", locality))),
                licence=code.name if code else text(one.get("license")),
                source="gbif", author=text(one.get("rightsHolder")) or text(one.get("creator")) or text(row.get("recordedBy")),
                page=page if is_link(page) else f"https://www.gbif.org/occurrence/{key}",
                cite=self._citation(text(row.get("datasetKey"))),
            )  # fmt: skip
        return None

    def _citation(self, key: str | None) -> str | None:
        """Return how a data set asks to be cited; the download that holds it, where one was named, is cited for all."""
        if self.doi:
            return f"GBIF.org. GBIF Occurrence Download https://doi.org/{self.doi}"
        if key is None:
            return None
        answer = self.client.get(
            f"dataset/{key}", {}, lambda answer: "" if isinstance(answer, dict) else "an object is expected"
        )
        citation = answer.get("citation")
        citation_text = text(citation.get("text")) if isinstance(citation, dict) else None
        doi = text(answer.get("doi"))
        return citation_text or " ".join(
            filter(
                None,
                (text(answer.get("title")) or key, f"https://doi.org/{doi}" if doi else None, "via GBIF.org"),
            )
        )


def _lacks(answer: Any) -> str:
    if isinstance(answer, dict) and isinstance(answer.get("results"), list):
        return ""
    fields = (
        f", found the fields {', '.join(sorted(map(str, answer))[:8])}" if isinstance(answer, dict) else ""
    )
    return "a list 'results' is expected" + fields
