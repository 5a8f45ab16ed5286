"""Stage ``pool``: the embedded captioned pool, drawn, encoded and indexed in clip-retrieval's layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from susx.config import EncoderConfig
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["run"]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``img_emb/``, ``metadata/``, ``image.index`` and the images."""
    from susx.demo.pool_index import write_pool_index
    from susx.features.encoder import load_encoder
    from susx.images.retrieve.manifest import IndexManifest

    encoder = load_encoder(EncoderConfig(**job.execution["encoder"]))
    # Paths in the metadata are relative: the folder is moved when it is finished, and may move with the store.
    write_pool_index(out, encoder.encode_images, job.params["size"], job.params["seed"], image_root=Path())
    size = job.params["size"]
    IndexManifest(encoder.id, encoder.digest, encoder.dim, size, {}, job.key, "images").write(out)
    return {"images": size}
