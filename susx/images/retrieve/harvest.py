"""What img2dataset leaves, at work, finished or killed, moved into the ledger: images decoded, failures with their reasons."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from susx.config import DownloadConfig
from susx.image_files import BadImage, ImageLimits, open_image, save_upright
from susx.images.retrieve.ledger import Download, Ledger, url_key
from susx.images.retrieve.reasons import fetch_reason
from susx.store import digest_file

__all__ = ["AS_WRITTEN", "Harvest"]

AS_WRITTEN = "as_written.json"
"""File of a job: link as it was sent -> links as people wrote them."""

_DECODERS = 4
"""Threads that decode what was fetched."""

_BATCH = 256
"""Fates that are written to the ledger together."""


class Harvest:
    """One job of img2dataset, whose folder is looked at again and again while it is at work.

    Attributes:
        tried, failed: links whose fate was taken, and those of them that gave no image.
    """

    def __init__(self, job: Path, ledger: Ledger, config: DownloadConfig) -> None:
        self.job, self.ledger, self.config = job, ledger, config
        self.tried = self.failed = 0
        self._taken: set[Path] = set()
        self._recorded: set[str] = set()
        try:
            self._as_written: dict[str, list[str]] = json.loads(
                (job / AS_WRITTEN).read_text(encoding="utf-8")
            )
        except (ValueError, OSError):
            self._as_written = {}

    def take(self) -> None:
        """Take what is whole by now: a sidecar is written after its image is closed, and has the digest of all of it."""
        sidecars = [path for path in sorted((self.job / "out").glob("*/*.json")) if path not in self._taken]
        if not sidecars:
            return
        batch: list[Download] = []
        with ThreadPoolExecutor(_DECODERS) as pool:
            fates = pool.map(lambda path: _fate(path, self.ledger.folder, self.config), sidecars)
            for sidecar, fate in zip(sidecars, fates, strict=True):
                if fate is not None:  # else its last byte is still to come, or never came
                    self._taken.add(sidecar)
                    batch.extend(self._as_people_wrote(fate))
                if len(batch) >= _BATCH:
                    self.ledger.add(batch)
                    batch = []
            self.ledger.add(batch)

    def finish(self) -> None:
        """Take the rest, and failures that have no sidecar, and remove the job."""
        import pyarrow.parquet as pq

        self.take()
        for table in sorted((self.job / "out").glob("*.parquet")):
            try:
                rows = pq.read_table(table, columns=["url", "status", "error_message"]).to_pylist()
            except Exception:  # a table that was being written when the job was killed
                continue
            self.ledger.add(
                fate
                for row in rows
                if row["status"] != "success" and row["url"] not in self._recorded
                for fate in self._as_people_wrote(_failure(row))
            )
        shutil.rmtree(self.job, ignore_errors=True)

    def _as_people_wrote(self, fate: Download) -> Iterator[Download]:
        self._recorded.add(fate.url)
        self.tried += 1
        self.failed += bool(fate.reason)
        for url in self._as_written.get(fate.url, [fate.url]):
            recorded = self.ledger.get(url)
            yield replace(fate, url=url, attempts=recorded.attempts + 1 if recorded else 1)


def _fate(sidecar: Path, folder: Path, config: DownloadConfig) -> Download | None:
    """Return what became of the link of a sidecar, its image decoded and kept; None where it is not whole."""
    try:
        meta = json.loads(sidecar.read_text(encoding="utf-8"))
        if meta["status"] != "success":
            return _failure(meta)
        data = sidecar.with_suffix(".jpg").read_bytes()
    except (ValueError, OSError):
        return None
    digest = hashlib.sha256(data).hexdigest()
    if meta.get("sha256") != digest:
        return None
    key = url_key(meta["url"])
    target = f"{key[:2]}/{key}.jpg"
    try:
        image = open_image(data, ImageLimits(config.max_bytes, config.max_pixels))
    except BadImage as bad:
        return Download(meta["url"], "", "", digest, bad.reason, str(bad))
    save_upright(image, folder / target, shortest=config.image_size)
    return Download(meta["url"], target, digest_file(folder / target), digest)


def _failure(row: Mapping[str, Any]) -> Download:
    message = row["error_message"] or ""
    return Download(row["url"], reason=fetch_reason(message), detail=message)
