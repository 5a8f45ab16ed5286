"""Candidates into image files of an artefact, with one table row each, kept or rejected."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from susx.config import DownloadConfig
from susx.image_files import BadImage, ImageLimits, open_image, save_upright
from susx.images.inspect import inspect_file
from susx.images.retrieve.candidates import Candidate
from susx.images.retrieve.download import download, download_folder, known_downloads
from susx.images.retrieve.ledger import Download
from susx.images.retrieve.placeholders import COPIES, PLACEHOLDER, pages_of, said_of
from susx.records import SupportRow
from susx.store import digest_bytes, digest_file

__all__ = ["fetch_images"]


def fetch_images(
    candidates: Sequence[Candidate],
    artefact: Path,
    work: Path,
    config: DownloadConfig,
    *,
    model: str = "",
    pooled: bool = False,
) -> list[SupportRow]:
    """Bring every candidate's image into ``artefact/images/`` and describe it.

    An image comes from the backend's bytes, else from its path, else from its URL. A candidate that has none of these is rejected
    (``no-link``: published tables have such rows), but of a feature pool it keeps a row without a file, whose digest is that of its
    place in the pool.

    Args:
        candidates: of one class or of many.
        artefact: folder being written.
        work: folder for downloads that outlive the run.
        config: limits and sizes.
        model: what found the images (encoder id and digest), for the table.
        pooled: whether the candidates are of a feature pool, which needs no images.

    Returns:
        One row per candidate, in order.

    Raises:
        DownloadError: see :func:`susx.images.retrieve.download`.
    """
    images = artefact / "images"
    images.mkdir(parents=True, exist_ok=True)
    links = [c.url for c in candidates if c.url and _is_remote(c) and not c.refused]
    # Failures of an earlier download stand; only links that nobody tried are fetched.
    fetched = known_downloads(links, work, config) if links else {}
    if new := [url for url in links if url not in fetched]:
        fetched |= download(new, work, config)
    folder = download_folder(work, config)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        rows = list(pool.map(lambda c: _row(c, fetched, folder, images, config, model, pooled), candidates))
    return _without_placeholders(rows)


def _without_placeholders(rows: Sequence[SupportRow]) -> list[SupportRow]:
    """Reject images that a source serves in place of several: where each has a page of its own, none should equal another."""
    pages = pages_of((row.class_name, row.original_digest, row.page) for row in rows if row.kept)
    result = []
    for row in rows:
        shown = pages.get((row.class_name, row.original_digest or ""), 0)
        if row.kept and row.page and shown >= COPIES:
            row = row.reject(PLACEHOLDER, said_of(shown))
        result.append(row)
    return result


def _is_remote(candidate: Candidate) -> bool:
    return candidate.image is None and not (candidate.path and Path(candidate.path).is_file())


def _row(
    candidate: Candidate,
    fetched: dict[str, Download],
    folder: Path,
    images: Path,
    config: DownloadConfig,
    model: str,
    pooled: bool,
) -> SupportRow:
    row = _blank(candidate, model)
    if candidate.refused:
        return row.reject(candidate.refused, candidate.detail)
    limits = ImageLimits(config.max_bytes, config.max_pixels)
    if _is_remote(candidate):
        if not candidate.url:
            if candidate.path:
                return row.reject("missing-file", f"There is no file {candidate.path}.")
            if not pooled:
                return row.reject("no-link", "Its row in the index has neither a link nor a path.")
            return dataclasses.replace(
                row, digest=hashlib.sha256(f"{candidate.source}:{candidate.item}".encode()).hexdigest()
            )
        fate = fetched[candidate.url]
        if fate.reason:
            return row.reject(fate.reason, fate.detail)
        partial = _partial(images)
        shutil.copyfile(folder / fate.file, partial)
        return _adopt(dataclasses.replace(row, original_digest=fate.source_digest or None), images, partial)
    try:
        if candidate.image is not None:
            row = dataclasses.replace(row, original_digest=digest_bytes(candidate.image))
            image = open_image(candidate.image, limits)
        else:
            original = Path(candidate.path or "")
            row = dataclasses.replace(row, path=str(original), original_digest=digest_file(original))
            image = open_image(original, limits)
    except BadImage as bad:
        return row.reject(bad.reason, str(bad))
    except OSError as error:
        return row.reject("missing-file", f"{candidate.path} cannot be read: {error}.")
    partial = _partial(images)
    save_upright(image, partial, shortest=config.image_size)
    return _adopt(row, images, partial)


def _partial(images: Path) -> Path:
    return images / f".{uuid.uuid4().hex}.part"


def _adopt(row: SupportRow, images: Path, file: Path) -> SupportRow:
    """Move a file to the name of its content and describe it."""
    facts = inspect_file(file)
    name = f"{facts.digest[:32]}.jpg"
    os.replace(file, images / name)
    return dataclasses.replace(
        row,
        file=f"{images.name}/{name}",
        digest=facts.digest,
        width=facts.width,
        height=facts.height,
        phash=facts.phash,
    )


def _blank(candidate: Candidate, model: str) -> SupportRow:
    return SupportRow(
        class_name=candidate.class_name,
        file="",
        digest="",
        origin="retrieved",
        prompt=candidate.prompt,
        url=candidate.url,
        caption=candidate.caption,
        similarity=candidate.similarity,
        model=model,
        licence=candidate.licence,
        nsfw=candidate.nsfw,
        author=candidate.author,
        page=candidate.page,
        cite=candidate.cite,
    )
