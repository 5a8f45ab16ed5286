"""Openverse's API (version 1) on loopback, by its documentation, with the limits that it keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from susx.config.spelling import NameFinder
from susx.images.retrieve.licences import read_licence
from susx.testing.http_source import Answer, SourceServer

__all__ = ["OpenverseServer"]

TOKEN = "a-token-of-12-hours"


class OpenverseServer(SourceServer):
    """``GET v1/images/`` and ``POST v1/auth_tokens/token/``."""

    def keyed(self, headers: Mapping[str, str]) -> bool:
        """Registered users have limits of their own, which no test reaches."""
        return headers.get("authorization") == f"Bearer {TOKEN}"

    def answer(self, path: str, parameters: dict[str, str], headers: Mapping[str, str]) -> Answer:
        """Answer as the API does."""
        if path.endswith("/auth_tokens/token/"):
            if parameters.get("client_secret") != "secret":
                return 401, {"error": "invalid_client"}, {}
            return (
                200,
                {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 43200, "scope": "read"},
                {},
            )
        if "authorization" in headers and not self.keyed(headers):
            return 401, {"detail": "Invalid token."}, {}
        if not path.endswith("/images/"):
            return 200, {"images": f"{self.address}images/"}, {}
        page, size = int(parameters.get("page", 1)), int(parameters.get("page_size", 20))
        if not self.keyed(headers) and (size > 20 or page * size > 240):
            return 401, {"detail": "Anonymous requests are limited to 20 results a page and 240 in all."}, {}
        admitted = parameters.get("license", "").split(",") if parameters.get("license") else None
        finder = NameFinder([parameters["q"]])
        matching = [
            number for number, one in enumerate(self.shown)
            if finder.names_in(one.caption) and (admitted is None or _code(one.licence)[0] in admitted)
        ]  # fmt: skip
        count = len(matching) if self.announced is None else self.announced
        start = max(0, (page - 1) * (size - self.repeat))
        if page > 1 and start >= len(matching):
            return 404, {"detail": "Invalid page."}, {}
        return 200, {
            "result_count": count, "page_count": math.ceil(count / size), "page_size": size, "page": page,
            "results": [self._result(number) for number in matching[start : start + size]], "warnings": [],
        }, {}  # fmt: skip

    def _result(self, number: int) -> dict[str, Any]:
        one = self.shown[number]
        code, version = _code(one.licence)
        identifier = f"{number:08x}-0000-4000-8000-000000000000"
        return {
            "id": identifier, "title": one.caption, "indexed_on": "2024-01-01T00:00:00Z", "foreign_landing_url": one.page,
            "url": self.picture(number), "creator": one.author, "creator_url": None, "license": code,
            "license_version": version, "license_url": "https://creativecommons.org/", "provider": "flickr", "source": "flickr",
            "category": "photograph", "filesize": None, "filetype": "jpg", "tags": [], "attribution": "", "fields_matched": ["title"],
            "mature": False, "height": 48, "width": 48, "thumbnail": f"{self.address}images/{identifier}/thumb/",
            "detail_url": "", "related_url": "", "unstable__sensitivity": [],
        }  # fmt: skip


def _code(licence: str) -> tuple[str, str]:
    code = read_licence(licence)
    return (code.code, code.version or "1.0") if code else (licence, "")
