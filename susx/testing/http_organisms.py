"""The APIs of iNaturalist and GBIF (version 1 of both) on loopback, by their documentation: taxa, and records with photographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from susx.images.retrieve.licences import Licence, read_licence
from susx.testing.collections import Picture
from susx.testing.http_source import Answer, SourceServer

__all__ = ["GbifServer", "InaturalistServer"]


class _Organisms(SourceServer):
    """Pictures whose classes are taxa: class name -> scientific name; the id of a taxon is its place in that mapping, from 100."""

    def __init__(self, shown: Sequence[Picture], taxa: Mapping[str, str], **options: Any) -> None:
        super().__init__(shown, **options)
        self.taxa = dict(taxa)

    def named(self, asked: str) -> list[tuple[int, str, str]]:
        """Return id, common and scientific name of the taxa one of whose names begins so."""
        return [
            (number, common, scientific) for number, (common, scientific) in enumerate(self.taxa.items(), 100)
            if any(name.lower().startswith(asked.lower()) for name in (common, scientific, *common.split()))
        ]  # fmt: skip

    def of_taxon(self, number: int) -> list[int]:
        """Return the places of the pictures of a taxon."""
        name = [*self.taxa][number - 100]
        return [at for at, one in enumerate(self.shown) if one.class_name == name]


class InaturalistServer(_Organisms):
    """``GET v1/taxa`` and ``GET v1/observations``."""

    def answer(self, path: str, parameters: dict[str, str], headers: Mapping[str, str]) -> Answer:
        """Answer as the API does."""
        if path.endswith("/taxa"):
            results: list[dict[str, Any]] = [
                {
                    "id": number, "name": scientific, "rank": "species", "preferred_common_name": common, "matched_term": common,
                    "iconic_taxon_name": "Aves", "observations_count": 1000 - number, "is_active": True,
                }
                for number, common, scientific in self.named(parameters["q"])
            ]  # fmt: skip
            return 200, {"total_results": len(results), "page": 1, "per_page": 30, "results": results}, {}
        admitted = parameters.get("photo_license", "").split(",") if parameters.get("photo_license") else None
        places = [
            at for at in self.of_taxon(int(parameters["taxon_id"]))
            if admitted is None or self._code(at) in admitted
        ]  # fmt: skip
        page, size = int(parameters["page"]), int(parameters["per_page"])
        start = max(0, (page - 1) * (size - self.repeat))
        rows = [self._observation(at) for at in places[start : start + size]]
        count = len(places) if self.announced is None else self.announced
        return 200, {"total_results": count, "page": page, "per_page": size, "results": rows}, {}

    def _code(self, at: int) -> str | None:
        code = read_licence(self.shown[at].licence)
        if code is None:
            return None
        return {"cc0": "cc0", "pdm": "pd"}.get(code.code, f"cc-{code.code}")

    def _observation(self, at: int) -> dict[str, Any]:
        one = self.shown[at]
        photo = {
            "id": 9000 + at, "license_code": self._code(at), "url": self.picture(at),
            "attribution": f"(c) {one.author}, some rights reserved", "original_dimensions": {"width": 48, "height": 48},
        }  # fmt: skip
        return {
            "id": 5000 + at, "uri": one.page, "quality_grade": "research", "place_guess": "Chania, Crete, GR",
            "user": {"id": 1, "login": "someone", "name": None}, "license_code": None,
            "photos": [photo, {**photo, "id": 19000 + at}],
        }  # fmt: skip


class GbifServer(_Organisms):
    """``GET v1/species/search``, ``GET v1/occurrence/search`` and ``GET v1/dataset/KEY``."""

    def answer(self, path: str, parameters: dict[str, str], headers: Mapping[str, str]) -> Answer:
        """Answer as the API does."""
        if path.endswith("/species/search"):
            results: list[dict[str, Any]] = [
                {
                    "key": number, "canonicalName": scientific, "scientificName": f"{scientific} Linnaeus, 1758", "rank": "SPECIES",
                    "kingdom": "Animalia", "class": "Aves", "numOccurrences": 0,
                    "vernacularNames": [{"vernacularName": common, "language": "eng"}],
                }
                for number, common, scientific in self.named(parameters["q"])
            ]  # fmt: skip
            return (
                200,
                {"offset": 0, "limit": 30, "endOfRecords": True, "count": len(results), "results": results},
                {},
            )
        if "/dataset/" in path:
            key = path.rpartition("/")[2]
            text = f"Observers of {key} (2025). https://doi.org/10.15468/{key} accessed via GBIF.org."
            return (
                200,
                {"key": key, "title": f"Set {key}", "doi": f"10.15468/{key}", "citation": {"text": text}},
                {},
            )
        places = self.of_taxon(int(parameters["taxonKey"]))
        offset, size = int(parameters["offset"]), int(parameters["limit"])
        start = max(0, offset - self.repeat * (offset // size))
        count = len(places) if self.announced is None else self.announced
        return 200, {
            "offset": offset, "limit": size, "endOfRecords": start + size >= len(places), "count": count,
            "results": [self._occurrence(at) for at in places[start : start + size]],
        }, {}  # fmt: skip

    def _occurrence(self, at: int) -> dict[str, Any]:
        one = self.shown[at]
        licence = read_licence(one.licence) or Licence("by-nc", "4.0")
        return {
            "key": 70000 + at, "datasetKey": f"set-{at % 2}", "license": "http://creativecommons.org/licenses/by-nc/4.0/legalcode",
            "recordedBy": "someone", "country": "Greece", "locality": "Chania", "basisOfRecord": "HUMAN_OBSERVATION",
            "media": [
                {"type": "Sound", "identifier": None},
                {
                    "type": "StillImage", "format": "image/jpeg", "identifier": self.picture(at), "references": one.page,
                    "creator": one.author, "rightsHolder": None, "license": licence.deed,
                },
            ],
        }  # fmt: skip
