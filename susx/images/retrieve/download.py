"""Fetching images from links with img2dataset: resumable, limited, counted.

img2dataset runs in a process of its own (:mod:`susx.images.fetch.fetch_worker`) and writes the servers' bytes unchanged; decoding and
resizing are ours (``susx.image_files``), because its own decoder ignores EXIF rotation and clips 16-bit images. What has come is decoded
while the rest is fetched. Links go out in portions; after each portion the failures that may be passing are tried again, and a
suspicious failure rate stops the whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from susx.config import DownloadConfig
from susx.errors import DownloadError, RetrievalError
from susx.image_files import BadImage, ImageLimits, open_image, save_upright
from susx.images.fetch.network_guard import FetchGuard
from susx.images.fetch.worker_process import JobWorker
from susx.images.retrieve.extra import require
from susx.images.retrieve.ledger import Download, Ledger, read_ledger, url_key
from susx.images.retrieve.link_spelling import MalformedLink, spelled_for_servers
from susx.images.retrieve.reasons import TRANSIENT, fetch_reason, probable_cause
from susx.images.retrieve.web.contact import user_agent
from susx.store import digest_file

__all__ = ["check_any_fetched", "check_any_there", "download", "download_folder", "known_downloads"]

logger = logging.getLogger(__name__)

PORTION = 2000
"""Links per run of img2dataset; the first portion is smaller so that a hopeless list stops early."""

_BREATH = 0.05
"""Seconds between looks at what img2dataset has fetched by now."""

_DECODERS = 4
"""Threads that decode what was fetched."""

PAUSE = 1.0
"""Seconds before failures are tried again, doubled each time, with up to as much jitter."""


def download_folder(work: Path, config: DownloadConfig) -> Path:
    """Return the folder below ``work`` that holds the downloads made under these limits."""
    limits = [config.image_size, config.max_bytes, config.max_pixels, config.respect_opt_out]
    key = hashlib.sha256(json.dumps(limits).encode()).hexdigest()[:12]
    return work / f"downloads-{config.image_size}-{key}"


def download(urls: Iterable[str], work: Path, config: DownloadConfig) -> dict[str, Download]:
    """Fetch every link that is not yet finished and return the fate of all.

    Images that an earlier call finished are not fetched again, even when it was killed; failures that may be passing
    are. ``file`` of a result is relative to ``download_folder(work, config)``.

    Raises:
        DownloadError: more than ``max_failure_rate`` of at least ``min_attempts`` links failed (what was fetched so
            far is kept), or img2dataset itself failed.
        ConfigError: there is something to fetch and img2dataset is not installed.
    """
    from filelock import FileLock

    urls = list(dict.fromkeys(urls))
    folder = download_folder(work, config)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        ledger = Ledger(folder)
        for leftover in sorted((folder / "jobs").glob("*")):
            _Harvest(leftover, ledger, config).finish()
        tried: dict[str, Download] = {}
        open_links = [url for url in urls if _open(ledger.get(url), config)]
        if open_links:
            require("img2dataset")
            with _Fetcher(folder, config) as fetcher:
                for portion in _portions(open_links, config.min_attempts):
                    for attempt in range(config.retries + 1):
                        again = [u for u in portion if u not in tried or tried[u].reason in TRANSIENT]
                        if not again:
                            break
                        if attempt:
                            time.sleep(PAUSE * 2 ** (attempt - 1) * (1 + random.random()))
                        _fetch(again, ledger, config, fetcher)
                        tried.update({url: fate for url in again if (fate := ledger.get(url))})
                    _check_rate(tried, config)
        return {url: fate for url in urls if (fate := ledger.get(url))}


def known_downloads(urls: Iterable[str], work: Path, config: DownloadConfig) -> dict[str, Download]:
    """Return the fates of the links that were tried before, without fetching anything."""
    ledger = read_ledger(download_folder(work, config))
    return {url: fate for url in urls if (fate := ledger.get(url))}


def check_any_fetched(fates: Mapping[str, Download], source: str) -> None:
    """Refuse to go on with links of which none gave an image, now or in an earlier run.

    Raises:
        RetrievalError: there are links and no image; says what became of them.
    """
    if fates and all(fate.reason for fate in fates.values()):
        failed = Counter(fate.reason for fate in fates.values())
        details = {fate.reason: fate.detail for fate in fates.values()}
        raise RetrievalError(
            f"None of the {len(fates)} links of {source} gave an image. {probable_cause(failed, details)} Links that failed for "
            "good are not asked again; --retry-failed asks those again whose failure may pass."
        )


def check_any_there(gone: Sequence[str], nowhere: int) -> None:
    """Refuse to go on where every candidate is a file that is not on this machine, or has neither link nor file.

    Raises:
        RetrievalError: says how many files, and names one.
    """
    if gone:
        raise RetrievalError(
            f"None of the {len(gone)} images that the search found is on this machine, first {gone[0]}. The paths in the index's metadata "
            "count from the folder that clip-retrieval ran in: put the index into that folder (or below it), or the images beside the index."
        )
    if nowhere:
        raise RetrievalError(
            f"The search found {nowhere} images of which the index names neither a link (url) nor a file (image_path). Get the index with its metadata."
        )


def _open(fate: Download | None, config: DownloadConfig) -> bool:
    """Whether a link is to be asked: never before, in vain for a reason that may pass, or refused by rules that are laxer now."""
    if fate is None or fate.reason in TRANSIENT:
        return True
    return fate.reason == "refused-address" and (config.allow_private or bool(config.allow_hosts))


def _portions(urls: Sequence[str], first: int) -> Iterator[Sequence[str]]:
    start, size = 0, min(PORTION, 2 * first)
    while start < len(urls):
        yield urls[start : start + size]
        start, size = start + size, PORTION


class _Fetcher(JobWorker):
    """img2dataset's process, started within a download's limits."""

    def __init__(self, folder: Path, config: DownloadConfig) -> None:
        guard = FetchGuard(
            config.allow_private,
            config.allow_hosts,
            config.max_bytes,
            3 * config.timeout,
            config.respect_opt_out,
        )
        super().__init__("susx.images.fetch.fetch_worker", folder / "img2dataset.log", guard.to_environment())


def _fetch(urls: Sequence[str], ledger: Ledger, config: DownloadConfig, fetcher: JobWorker) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    jobs = ledger.folder / "jobs"
    jobs.mkdir(exist_ok=True)
    spelled: dict[str, str] = {}
    for url in urls:
        try:
            spelled[url] = spelled_for_servers(url)
        except MalformedLink as error:
            ledger.add([Download(url, reason="malformed-link", detail=str(error))])
    if not spelled:
        return
    job = Path(tempfile.mkdtemp(dir=jobs))
    as_written: dict[str, list[str]] = {}
    for url, sent in spelled.items():
        as_written.setdefault(sent, []).append(url)
    (job / "as_written.json").write_text(json.dumps(as_written), encoding="utf-8")
    pq.write_table(pa.table({"url": list(as_written)}), job / "urls.parquet")
    (job / "job.json").write_text(json.dumps(_arguments(len(as_written), job, config)), encoding="utf-8")
    fetcher.start(job / "job.json")
    harvest = _Harvest(job, ledger, config)
    while (status := fetcher.done(_BREATH)) is None:
        harvest.take_images()
    harvest.finish()
    if status:
        tail = fetcher.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-8:]
        raise DownloadError(f"img2dataset ended with status {status}. Its last lines: " + " | ".join(tail))
    lost = [url for url in urls if ledger.get(url) is None]
    ledger.add(Download(url, reason="failed", detail="img2dataset gave no answer for it") for url in lost)


def _arguments(count: int, job: Path, config: DownloadConfig) -> dict[str, Any]:
    return {
        "url_list": str(job / "urls.parquet"),
        "input_format": "parquet",
        "output_folder": str(job / "out"),
        "output_format": "files",
        "processes_count": config.processes,
        "thread_count": config.threads,
        "number_sample_per_shard": max(2, min(1000, math.ceil(count / config.processes))),
        "timeout": config.timeout,
        "retries": 0,
        "disable_all_reencoding": True,
        "extract_exif": False,
        "compute_hash": "sha256",
        "disallowed_header_directives": None if config.respect_opt_out else [],
        "user_agent_token": user_agent(),
    }


class _Harvest:
    """Moves what a run of img2dataset has left, at work, finished or killed, into the ledger."""

    def __init__(self, job: Path, ledger: Ledger, config: DownloadConfig) -> None:
        self.job, self.ledger, self.config = job, ledger, config
        self._taken: set[Path] = set()
        try:
            self._as_written: dict[str, list[str]] = json.loads(
                (job / "as_written.json").read_text(encoding="utf-8")
            )
        except (ValueError, OSError):
            self._as_written = {}

    def take_images(self) -> None:
        """Take the images that are whole by now: a sidecar is written after its image is closed, and has the digest of all of it."""
        sidecars = [path for path in sorted((self.job / "out").glob("*/*.json")) if path not in self._taken]
        with ThreadPoolExecutor(_DECODERS) as pool:
            fates = pool.map(lambda path: _take(path, self.ledger.folder, self.config), sidecars)
            batch: list[Download] = []
            for sidecar, fate in zip(sidecars, fates, strict=True):
                if fate is not None:  # else its last byte is still to come, or never came
                    self._taken.add(sidecar)
                    batch.extend(self._fates_of(fate))
                if len(batch) >= 256:
                    self.ledger.add(batch)
                    batch = []
            self.ledger.add(batch)

    def finish(self) -> None:
        """Take the rest and what failed, and remove the run."""
        import pyarrow.parquet as pq

        self.take_images()
        for table in sorted((self.job / "out").glob("*.parquet")):
            try:
                rows = pq.read_table(table, columns=["url", "status", "error_message"]).to_pylist()
            except Exception:  # a table that was being written when the run was killed
                continue
            self.ledger.add(
                fate
                for row in rows
                if row["status"] != "success"
                for fate in self._fates_of(
                    Download(row["url"], reason=fetch_reason(row["error_message"] or ""), detail=row["error_message"] or "")
                )
            )  # fmt: skip
        shutil.rmtree(self.job, ignore_errors=True)

    def _fates_of(self, fate: Download) -> Iterator[Download]:
        for url in self._as_written.get(fate.url, [fate.url]):
            recorded = self.ledger.get(url)
            yield replace(fate, url=url, attempts=recorded.attempts + 1 if recorded else 1)


def _take(sidecar: Path, folder: Path, config: DownloadConfig) -> Download | None:
    try:
        meta = json.loads(sidecar.read_text(encoding="utf-8"))
        data = sidecar.with_suffix(".jpg").read_bytes()
    except (ValueError, OSError):
        return None
    digest = hashlib.sha256(data).hexdigest()
    if meta.get("status") != "success" or meta.get("sha256") != digest:
        return None
    key = url_key(meta["url"])
    target = f"{key[:2]}/{key}.jpg"
    try:
        image = open_image(data, ImageLimits(config.max_bytes, config.max_pixels))
    except BadImage as bad:
        return Download(meta["url"], "", "", digest, bad.reason, str(bad))
    save_upright(image, folder / target, shortest=config.image_size)
    return Download(meta["url"], target, digest_file(folder / target), digest)


def _check_rate(tried: dict[str, Download], config: DownloadConfig) -> None:
    failed = Counter(fate.reason for fate in tried.values() if fate.reason)
    count = sum(failed.values())
    details = {fate.reason: fate.detail for fate in tried.values()}
    logger.info("fetched %d of %d links", len(tried) - count, len(tried))
    if len(tried) >= config.min_attempts and count > config.max_failure_rate * len(tried):
        raise DownloadError(
            f"{count} of {len(tried)} links failed, more than download.max_failure_rate = {config.max_failure_rate:g} "
            f"allows, so the download was stopped. {probable_cause(failed, details)} What was fetched is kept; running again "
            "goes on from there."
        )
