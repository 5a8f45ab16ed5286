"""Fetching images from links with img2dataset: resumable, limited, counted.

img2dataset runs in a process of its own (:mod:`susx.images.fetch.fetch_worker`) and writes the servers' bytes unchanged; decoding and
resizing are ours (``susx.image_files``), because its own decoder ignores EXIF rotation and clips 16-bit images. What has come is decoded
while the rest is fetched. Links go out in portions; a suspicious failure rate cuts one short. After each the failures that may be
passing are tried again, and a failure rate that is still suspicious stops the whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from susx.config import DownloadConfig
from susx.errors import DownloadError, RetrievalError
from susx.images.retrieve.extra import require
from susx.images.retrieve.fetcher import Fetcher, drop_fetcher, take_fetcher
from susx.images.retrieve.harvest import AS_WRITTEN, Harvest
from susx.images.retrieve.ledger import Download, Ledger, read_ledger
from susx.images.retrieve.link_spelling import MalformedLink, spelled_for_servers
from susx.images.retrieve.reasons import TRANSIENT, probable_cause
from susx.images.retrieve.web.contact import user_agent

__all__ = ["check_any_fetched", "check_any_there", "download", "download_folder", "known_downloads"]

logger = logging.getLogger(__name__)

PORTION = 2000
"""Links per run of img2dataset."""

_BREATH = 0.05
"""Seconds between looks at what img2dataset has fetched by now."""

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
            Harvest(leftover, ledger, config).finish()
        open_links = [url for url in urls if _open(ledger.get(url), config)]
        if open_links:
            require("img2dataset")
            _fetch_all(open_links, ledger, config)
        else:
            drop_fetcher(config)
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


def _fetch_all(links: Sequence[str], ledger: Ledger, config: DownloadConfig) -> None:
    """Fetch links in portions; after each the failures that may be passing are tried again, and the rate of failures is looked at."""
    tried: dict[str, Download] = {}
    left = list(links)
    with contextlib.ExitStack() as stack:
        fetcher = stack.enter_context(take_fetcher(config))
        while left:
            # The processes that img2dataset spawns tell of failures at the end alone: a first portion that is small tells early.
            early = config.processes > 1 and not tried
            portion = left[: 2 * config.min_attempts if early else PORTION]
            for attempt in range(config.retries + 1):
                if attempt:
                    portion = [url for url in portion if url in tried and tried[url].reason in TRANSIENT]
                    if not portion:
                        break
                    time.sleep(PAUSE * 2 ** (attempt - 1) * (1 + random.random()))
                if not _fetch(portion, ledger, config, fetcher, None if attempt else tried):
                    stack.close()
                    fetcher = stack.enter_context(take_fetcher(config))
                tried.update({url: fate for url in portion if (fate := ledger.get(url))})
            _check_rate(tried, config)
            left = [url for url in left if url not in tried]


def _fetch(
    urls: Sequence[str], ledger: Ledger, config: DownloadConfig, fetcher: Fetcher, before: Mapping[str, Download] | None
) -> bool:  # fmt: skip
    """Fetch one portion; False where so many of ``before`` and of it failed that it was cut short, and its process has to be ended."""
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
        return True
    job = Path(tempfile.mkdtemp(dir=jobs))
    as_written: dict[str, list[str]] = {}
    for url, sent in spelled.items():
        as_written.setdefault(sent, []).append(url)
    (job / AS_WRITTEN).write_text(json.dumps(as_written), encoding="utf-8")
    pq.write_table(pa.table({"url": list(as_written)}), job / "urls.parquet")
    (job / "job.json").write_text(json.dumps(_arguments(len(as_written), job, config)), encoding="utf-8")
    fetcher.start(job / "job.json")
    harvest = Harvest(job, ledger, config)
    while (status := fetcher.done(_BREATH)) is None:
        harvest.take()
        if before is not None and _hopeless(before, harvest, config):
            fetcher.stop()
            harvest.finish()
            return False
    harvest.finish()
    if status:
        raise DownloadError(
            f"img2dataset ended with status {status}. Its last lines: " + " | ".join(fetcher.last_lines(8))
        )
    lost = [url for url in urls if ledger.get(url) is None]
    ledger.add(Download(url, reason="failed", detail="img2dataset gave no answer for it") for url in lost)
    return True


def _hopeless(before: Mapping[str, Download], harvest: Harvest, config: DownloadConfig) -> bool:
    number = len(before) + harvest.tried
    failed = sum(bool(fate.reason) for fate in before.values()) + harvest.failed
    return number >= 2 * config.min_attempts and failed > config.max_failure_rate * number


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
