"""What the stages of retrieval share: their settings, the open backend, and where downloads lie."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susx.config import DownloadConfig, EncoderConfig, RetrievalConfig
from susx.stages.build_plan import BuildPlan
from susx.stages.parameters import EncoderKey, Encoding, Params
from susx.store import ArtefactStore, Ref
from susx.types import Json

if TYPE_CHECKING:
    from susx.images.retrieve.backends import Backend

__all__ = ["DownloadParams", "Retrieving", "download_params", "downloads", "open_backend", "retrieving"]


class Retrieving(Encoding):
    """How images are searched and downloaded."""

    retrieval: RetrievalConfig
    download: DownloadConfig


class DownloadParams(Params):
    """What decides which links become images, and what of them."""

    limits: dict[str, Json]
    """The settings of the download that change a result: sizes, and what may be asked."""
    encoder: EncoderKey


def retrieving(plan: BuildPlan) -> Retrieving:
    """Return how a build's images are searched and downloaded."""
    profile = plan.profile
    return Retrieving(encoder=profile.encoder, retrieval=profile.retrieval, download=profile.download)


def download_params(plan: BuildPlan) -> DownloadParams:
    """Return what decides which links of a build become images."""
    limits = {"image_size", "max_bytes", "max_pixels", "allow_private", "allow_hosts", "respect_opt_out"}
    return DownloadParams(
        limits=plan.profile.download.model_dump(mode="json", include=limits), encoder=plan.encoder
    )


def downloads(store: ArtefactStore) -> Path:
    """Return the folder of downloads, which outlives runs: no image is fetched twice."""
    return store.root / "downloads"


def open_backend(settings: Retrieving, store: ArtefactStore, pool: Ref | None) -> Any:
    """Return the backend of a job; it is opened once a process, so that no index is read once a class."""
    return _backend(
        settings.retrieval, settings.download, settings.encoder, store.folder(pool) if pool else None, downloads(store)
    )  # fmt: skip


@functools.lru_cache(maxsize=2)
def _backend(
    config: RetrievalConfig, download: DownloadConfig, encoder: EncoderConfig, pool: Path | None, work: Path
) -> Backend:
    from susx.features.encoder import load_encoder
    from susx.images.retrieve.backends import open_backend

    return open_backend(config, load_encoder(encoder), download=download, pool=pool, work=work)
