"""What has been fetched so far: one line of JSON per link, appended, so that a killed run loses nothing finished."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from susx.store import digest_file
from susx.store.disk import facts_of

__all__ = ["Download", "Ledger", "read_ledger", "url_key"]


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Download:
    """The fate of one link.

    Attributes:
        url: the link.
        file: the decoded, upright JPEG, relative to the work folder; "" when there is none.
        digest: sha256 of that file; one that is emptied, zeroed or another's is fetched again.
        source_digest: sha256 of the bytes that the server sent.
        reason: "" or why there is no image (see ``reasons`` and ``BadImage``).
        detail: the message behind the reason.
        attempts: how often it was tried.
    """

    url: str
    file: str = ""
    digest: str = ""
    source_digest: str = ""
    reason: str = ""
    detail: str = ""
    attempts: int = 1


def url_key(url: str) -> str:
    """Return the name under which a link's image is kept."""
    return hashlib.sha256(url.encode()).hexdigest()[:32]


class Ledger:
    """The fates of all links that a work folder has seen."""

    def __init__(self, folder: Path) -> None:
        """Read the ledger; a torn last line (a kill in mid-write) is ignored, an image that is gone is forgotten."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.path = folder / "ledger.jsonl"
        self._known: dict[str, Download] = {}
        if not self.path.is_file():
            return
        data = self.path.read_bytes()
        for line in data.split(b"\n"):
            try:
                entry = Download(**json.loads(line))
            except (ValueError, TypeError):
                continue
            self._known[entry.url] = entry
        if data and not data.endswith(b"\n"):
            with self.path.open("ab") as file:
                file.write(b"\n")
        gone = [
            url for url, entry in self._known.items() if entry.file and not (folder / entry.file).is_file()
        ]
        for url in gone:
            del self._known[url]

    def get(self, url: str) -> Download | None:
        """Return a link's fate, or None when it was never finished or its file is not what was kept."""
        entry = self._known.get(url)
        if entry is None or not entry.file:
            return entry
        path = self.folder / entry.file
        if not path.is_file() or digest_file(path) != entry.digest:
            logger.warning("%s is not what was downloaded from %s; it is fetched again.", path, url)
            del self._known[url]
            return None
        return entry

    def add(self, entries: Iterable[Download]) -> None:
        """Record fates; they are on disk when this returns."""
        entries = list(entries)
        if not entries:
            return
        with self.path.open("a", encoding="utf-8") as file:
            for entry in entries:
                file.write(json.dumps(dataclasses.asdict(entry)) + "\n")
                self._known[entry.url] = entry
            file.flush()
            os.fsync(file.fileno())


def read_ledger(folder: Path) -> Ledger:
    """Return a ledger for reading; it is parsed again only after it changed."""
    path = folder / "ledger.jsonl"
    if not path.is_file():
        return Ledger(folder)
    return _parsed(folder, tuple(facts_of(path)))


@functools.lru_cache(maxsize=2)
def _parsed(folder: Path, facts: tuple[int, ...]) -> Ledger:
    return Ledger(folder)
