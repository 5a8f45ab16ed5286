"""iNaturalist's public API (version 1): research-grade photographs of organisms, by scientific or common name.

Its documentation asks for at most 60 requests a minute and 10,000 a day, and for programs to name themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import PositiveInt

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

__all__ = ["ADDRESS", "InaturalistBackend", "InaturalistSettings"]

ADDRESS = "https://api.inaturalist.org/v1/"
PAGE = 200
_PAGES = 5
"""Pages of one taxon, at most."""


class InaturalistSettings(PublicSourceSettings):
    """iNaturalist: photographs of organisms that its community has identified."""

    about: ClassVar[About | None] = About(
        "photographs of organisms by name, as links", "CC or none, of each photograph", "none; SUSX_CONTACT"
    )
    backend: Literal["inaturalist"] = "inaturalist"
    address: str = ADDRESS
    size: Literal["medium", "large", "original"] = "large"
    """Longer side of the photograph: 500, 1024 or 2048 pixels."""
    per_minute: Annotated[PositiveInt, NotInKey()] = 60
    per_day: Annotated[PositiveInt, NotInKey()] = 10_000

    def limits(self) -> Sequence[Limit]:
        """See :meth:`PublicSourceSettings.limits`."""
        return Limit(self.per_minute, 60), Limit(self.per_day, 86400)

    def identity(self, encoder: EncoderId) -> Json:
        """Return address and size: a service does not tell when its content changes."""
        return {"backend": self.backend, "address": self.address, "size": self.size}

    def open(self, opening: Opening) -> Backend:
        """Name the service; nothing is sent yet.

        Raises:
            ConfigError: ``SUSX_CONTACT`` is not set.
        """
        require_contact("iNaturalist")
        return InaturalistBackend(self.client(opening.work, opening.build), self.licence, self.size)


class InaturalistBackend:
    """iNaturalist, asked by taxon."""

    def __init__(self, client: WebClient, licences: Sequence[str] = (), size: str = "large") -> None:
        self.client, self.licences, self.size = client, tuple(licences), size

    def search(self, queries: Sequence[Query]) -> list[list[Candidate]]:
        """See :class:`susx.images.retrieve.backends.Backend`; a class that is no taxon has one refused candidate, which says so.

        Raises:
            SourceDown, LimitReached: see :class:`susx.images.retrieve.web.WebClient`.
        """
        return search_by_subject(queries, self._find, at_once=AT_ONCE)

    def _find(self, query: Query) -> list[Candidate]:
        taxon = find_taxon(query, "inaturalist", self._taxa)
        if isinstance(taxon, Candidate):
            return [taxon]
        photographs: dict[str, Candidate] = {}
        for row in self._observations(taxon):
            for one in self._photographs(query, taxon, row):
                photographs.setdefault(one.item, one)
            if len(photographs) >= query.wanted:
                break
        return list(photographs.values())[: query.wanted]

    def _taxa(self, name: str) -> list[Taxon]:
        answer = self.client.get("taxa", {"q": name, "is_active": "true", "per_page": "30"}, _lacks)
        taxa = []
        for row in answer["results"]:
            if isinstance(row, dict) and text(row.get("id")) and text(row.get("name")):
                common = filter(
                    None,
                    (
                        text(row.get("preferred_common_name")),
                        text(row.get("english_common_name")),
                        text(row.get("matched_term")),
                    ),
                )
                number = row.get("observations_count")
                taxa.append(
                    Taxon(
                        str(text(row["id"])),
                        str(text(row["name"])),
                        str(row.get("rank", "")),
                        tuple(dict.fromkeys(common)),
                        text(row.get("iconic_taxon_name")) or "",
                        number if isinstance(number, int) else 0,
                    )
                )
        return taxa

    def _observations(self, taxon: Taxon) -> Iterator[dict[str, Any]]:
        """Yield observations, those first that most people took for good."""
        seen: set[str] = set()
        for page in range(1, _PAGES + 1):
            parameters = {
                "taxon_id": taxon.number, "quality_grade": "research", "photos": "true", "order_by": "votes", "order": "desc",
                "per_page": str(PAGE), "page": str(page),
            }  # fmt: skip
            if self.licences:
                parameters["photo_license"] = ",".join(_code(code) for code in sorted(self.licences))
            rows = [
                row for row in self.client.get("observations", parameters, _lacks)["results"]
                if isinstance(row, dict) and text(row.get("id")) not in seen
            ]  # fmt: skip
            seen |= {str(text(row.get("id"))) for row in rows}
            yield from rows
            if not rows:
                return

    def _photographs(self, query: Query, taxon: Taxon, row: dict[str, Any]) -> Iterator[Candidate]:
        """Yield the first photograph of an observation that can be fetched: the others show the same organism again."""
        photographs = row.get("photos")
        user = row.get("user") if isinstance(row.get("user"), dict) else {}
        assert isinstance(user, dict)
        for photo in photographs if isinstance(photographs, list) else ():
            if not isinstance(photo, dict) or not is_link(photo.get("url")) or text(photo.get("id")) is None:
                continue
            stated = text(photo.get("license_code"))
            code = read_licence(stated)
            if self.licences and (code is None or code.code not in self.licences):
                continue
            called = f"{taxon.common[0]} ({taxon.name})" if taxon.common else taxon.name
            locality = text(row.get("place_guess"))
            page = row.get("uri")
            yield Candidate(
                class_name=query.class_name, prompt=query.prompt, query=query.text, item=f"inaturalist:{text(photo['id'])}", similarity=0.0,
                url=re.sub(r"/square(?=\.\w+)", f"/{self.size}", str(photo["url"])),
                caption=", ".join(filter(None, (called, f"taxon {taxon.number}", locality))),
                licence=_named(stated), source="inaturalist", author=_author(photo, user), page=page if is_link(page) else None,
            )  # fmt: skip
            return


def _author(photo: dict[str, Any], user: dict[str, Any]) -> str | None:
    match = re.match(r"\(c\) (.+?), (?:some|all|no) rights", text(photo.get("attribution")) or "")
    return match[1] if match else text(user.get("name")) or text(user.get("login"))


def _named(code: str | None) -> str:
    """Return a licence with its version (iNaturalist's are 4.0); a photograph without a code keeps all rights."""
    licence = read_licence(code)
    if licence is None:
        return code or "all rights reserved"
    return (
        licence.name
        if licence.version
        else f"{licence.name} {'1.0' if licence.code in ('cc0', 'pdm') else '4.0'}"
    )


def _code(code: str) -> str:
    return {"cc0": "cc0", "pdm": "pd"}.get(code, f"cc-{code}")


def _lacks(answer: Any) -> str:
    if isinstance(answer, dict) and isinstance(answer.get("results"), list):
        return ""
    fields = (
        f", found the fields {', '.join(sorted(map(str, answer))[:8])}" if isinstance(answer, dict) else ""
    )
    return "a list 'results' is expected" + fields
