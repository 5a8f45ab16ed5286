"""``susx index build``: an index in clip-retrieval's layout over one's own images, links or tar files.

Features come from clip-retrieval's own inference where it can load the encoder (any open_clip architecture with a
checkpoint file), in a process of its own; else from our encoder. The faiss index is made by clip-retrieval's
``clip_index`` or by autofaiss, which that calls.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from susx.activity import doing
from susx.config import DownloadConfig
from susx.encoder_id import EncoderId
from susx.errors import ConfigError, RetrievalError
from susx.features.remembered import RememberedFeatures
from susx.image_files import ImageLimits
from susx.images.fetch.worker_process import run_worker
from susx.images.retrieve.clip_model import clip_retrieval_model
from susx.images.retrieve.extra import require
from susx.images.retrieve.index_items import IndexItem, items_of_folder, items_of_links, items_of_tars
from susx.images.retrieve.index_manifest import IndexManifest
from susx.images.retrieve.index_parts import PART_SIZE, build_parts, parts_of

__all__ = ["ImageEncoder", "build_index"]

logger = logging.getLogger(__name__)

_MOST_REMEMBERED = 200_000
"""Images of a folder whose features are added to the store: what reads them there has them all in memory."""

FILES = ("img_emb", "metadata", "image.index", "image.json")


@runtime_checkable
class ImageEncoder(Protocol):
    """The part of an encoder that building needs."""

    @property
    def identity(self) -> EncoderId:
        """Which encoder it is."""

    @property
    def batch_size(self) -> int:
        """Images at a time."""

    def encode_images(self, images: Any) -> Any:
        """Return unit rows, shape [images, dim]."""


def build_index(
    folder: Path,
    encoder: ImageEncoder,
    *,
    images: Path | None = None,
    urls: Path | None = None,
    tars: str | None = None,
    download: DownloadConfig | None = None,
    tool: Literal["auto", "clip-retrieval", "susx"] = "auto",
    part_size: int = PART_SIZE,
    remembered: RememberedFeatures | None = None,
) -> IndexManifest:
    """Build an index, or go on with one whose build was killed; a current index is left alone.

    Args:
        folder: the index; made if need be.
        encoder: whose space it lives in.
        images, urls, tars: exactly one source: a folder, a parquet or CSV of links, a glob of WebDataset tar files.
        download: limits for links and for decoding.
        tool: what computes the features; ``auto`` is clip-retrieval where it can load the encoder.
        part_size: images of one part; a kill costs at most one part.
        remembered: features of photographs that were encoded before (``susx label``), for a folder; what is encoded of it is added to them,
            but by clip-retrieval, whose features are half as precise.

    Raises:
        ConfigError: not exactly one source, or the tool cannot load the encoder.
        InputError, DownloadError: the source cannot be read.
        RetrievalError: no image was left, or the tool failed.
    """
    from filelock import FileLock

    if sum(source is not None for source in (images, urls, tars)) != 1:
        raise ConfigError("Give exactly one of --images, --urls and --tars to index.")
    require("autofaiss", *(["clip_retrieval"] if tool == "clip-retrieval" else []))
    config = download or DownloadConfig()
    folder.mkdir(parents=True, exist_ok=True)
    build = folder / ".build"
    build.mkdir(exist_ok=True)
    with FileLock(folder / ".lock"):
        with doing("gather the images of the index"):
            items, rejected, source = _gather(folder, images, urls, tars, config)
        stamps = "\n".join([encoder.identity.digest, *(item.stamp() for item in items)])
        inputs = hashlib.sha256(stamps.encode()).hexdigest()
        current = IndexManifest.read(folder)
        if current and current.inputs == inputs and (folder / "image.index").exists():
            logger.info("the index %s is current", folder)
            return current
        model = None if tool == "susx" else clip_retrieval_model(encoder)
        if tool == "clip-retrieval" and model is None:
            raise ConfigError(
                f"clip-retrieval cannot load the encoder '{encoder.identity.model}'; use --tool susx."
            )
        limits = ImageLimits(config.max_bytes, config.max_pixels)
        remembered = remembered if images is not None else None
        if model is None:
            build_parts(
                parts_of(items, part_size), build, encoder.identity.digest, limits, _embedder(encoder), remembered,
                remember=len(items) <= _MOST_REMEMBERED,
            )  # fmt: skip
        made = _run_tool(
            items, folder, build, encoder, model or {"clip_model": ""}, limits, part_size, remembered
        )
        if not made["rows"]:
            raise RetrievalError(
                f"None of the {len(items) + sum(rejected.values())} images could be decoded or fetched."
            )
        rejected += Counter(made["rejected"])
        _publish(build / "out", folder)
        manifest = IndexManifest(
            encoder.identity.model, encoder.identity.digest, made["width"], made["rows"], dict(sorted(rejected.items())),
            hashlib.sha256(f"{encoder.identity.digest}:{made['content']}".encode()).hexdigest(), source, inputs,
            "clip-retrieval" if model is not None else "susx",
        )  # fmt: skip
        manifest.write(folder)
    shutil.rmtree(build, ignore_errors=True)
    return manifest


def _gather(
    folder: Path, images: Path | None, urls: Path | None, tars: str | None, config: DownloadConfig
) -> tuple[list[IndexItem], Counter[str], str]:
    if images is not None:
        return *items_of_folder(images), "images"
    if urls is not None:
        return *items_of_links(urls, folder / "images", config), "urls"
    return *items_of_tars(tars or "", folder / "images", config), "tars"


def _embedder(encoder: ImageEncoder) -> Any:
    def embed(staged: Path, scratch: Path) -> tuple[list[str], np.ndarray]:
        files = sorted(staged.iterdir())
        return [file.name for file in files], np.asarray(encoder.encode_images(files))

    return embed


def _run_tool(
    items: Sequence[IndexItem], folder: Path, build: Path, encoder: ImageEncoder, model: dict[str, Any],
    limits: ImageLimits, size: int, remembered: RememberedFeatures | None,
) -> dict[str, Any]:  # fmt: skip
    job = {
        "items": [dataclasses.asdict(item) for item in items], "folder": str(folder), "build": str(build),
        "digest": encoder.identity.digest, "limits": dataclasses.asdict(limits), "part_size": size,
        "batch_size": encoder.batch_size, **model,
        "remembered": remembered and [str(remembered.store.absolute()), remembered.encoder.as_json()],
    }  # fmt: skip
    with doing(f"build the index of {len(items):,} images"):
        status, log = run_worker("susx.images.retrieve.index_worker", job, build)
    if status:
        tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-10:]
        raise RetrievalError(
            f"clip-retrieval's tools ended with status {status}. Their last lines: " + " | ".join(tail)
        )
    result: dict[str, Any] = json.loads((build / "result.json").read_text(encoding="utf-8"))
    return result


def _publish(out: Path, folder: Path) -> None:
    (folder / "susx_index.json").unlink(missing_ok=True)
    for name in FILES:
        target = folder / name
        if target.is_dir():
            shutil.rmtree(target)
        os.replace(out / name, target)
