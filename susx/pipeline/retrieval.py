"""What the stages of retrieval share: their settings, the open backend, and where downloads lie."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING

from susx.config import DownloadConfig, EncoderConfig, RetrievalConfig
from susx.config.ingredients import ingredients
from susx.encoder_id import EncoderId
from susx.errors import SourceChanged
from susx.images.retrieve.backends import Delivers
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.parameters import Encoding, Params
from susx.store import ArtefactStore, Ref
from susx.types import Json

if TYPE_CHECKING:
    from susx.images.retrieve.backends import Backend

__all__ = ["DownloadParams", "Retrieving", "download_params", "downloads", "open_backend", "retrieving"]


class Retrieving(Encoding):
    """How images are searched and downloaded."""

    retrieval: RetrievalConfig
    download: DownloadConfig
    build: str = ""
    """When the build began: what is down is not asked again in it."""


class DownloadParams(Params):
    """What decides which links become images, and what of them."""

    limits: dict[str, Json]
    """The settings of the download that change a result: sizes, and what may be asked."""
    encoder: EncoderId
    backend: Json = None
    """Identity of the source, where rows of features are taken from it in place of images."""

    def as_json(self) -> dict[str, Json]:
        """Return the values as a job holds them; a source of images is no part of them."""
        return self.model_dump(mode="json", exclude={"backend"} if self.backend is None else None)


def retrieving(plan: BuildPlan) -> Retrieving:
    """Return how a build's images are searched and downloaded."""
    profile = plan.profile
    return Retrieving(
        encoder=profile.encoder, retrieval=profile.retrieval, download=profile.download,
        build=str(plan.run.get("started", "")) if plan.retrieval.public else "",
    )  # fmt: skip


def download_params(plan: BuildPlan) -> DownloadParams:
    """Return what decides which links of a build become images."""
    return DownloadParams(
        limits=ingredients(plan.profile.download), encoder=plan.encoder,
        backend=plan.backend if Delivers.FEATURES in plan.retrieval.delivers else None,
    )  # fmt: skip


def downloads(store: ArtefactStore) -> Path:
    """Return the folder of downloads, which outlives runs: no image is fetched twice."""
    return store.root / "downloads"


def open_backend(
    settings: Retrieving, store: ArtefactStore, pool: Ref | None, source: Json, encoder: EncoderId
) -> Backend:
    """Return the backend of a job; it is opened once a process and source, so that no index is read once a class.

    Args:
        settings: where the source is, and how it is searched.
        store: for downloads, and the embedded pool.
        pool: the embedded pool.
        source: identity of the source, as the job's key has it: another one may lie there by the next build.
        encoder: identity of the encoder of the queries, likewise.

    Raises:
        SourceChanged: the source or the encoder is not what the job's key says.
    """
    return _backend(
        settings.retrieval, settings.download, settings.encoder, store.folder(pool) if pool else None, downloads(store),
        settings.build, json.dumps([source, encoder.as_json(), pool.digest if pool else ""], sort_keys=True),
    )  # fmt: skip


@functools.lru_cache(maxsize=2)
def _backend(
    config: RetrievalConfig, download: DownloadConfig, encoder: EncoderConfig, pool: Path | None, work: Path, build: str, identity: str
) -> Backend:  # fmt: skip
    from susx.features.encoder import load_encoder
    from susx.images.retrieve.backends import backend_settings, open_backend

    loaded = load_encoder(encoder)
    opened = open_backend(config, loaded, download=download, pool=pool, work=work, build=build)
    source, wanted, _ = json.loads(identity)
    if loaded.identity.as_json() != wanted:
        raise SourceChanged.of("the encoder's weights", "search", "")
    if json.loads(json.dumps(backend_settings(config).identity(loaded.identity))) != source:
        raise SourceChanged.of("the index, list or pool of images", "search", "")
    return opened
