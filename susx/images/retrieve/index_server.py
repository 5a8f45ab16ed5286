"""``python -m susx.images.retrieve.index_server JOB.json``: clip-retrieval's real HTTP server on an index.

Three things differ from ``clip-retrieval back``: it listens on 127.0.0.1 unless told otherwise (the library listens on
every interface), it tells at ``/susx-index`` which encoder built the index, and images travel as the files they are
(the library re-encodes them as JPEG, which fails for transparent ones).
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import logging
import os
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

from susx.activity import at_rest
from susx.errors import ConfigError
from susx.image_files import BadImage, open_image
from susx.images.retrieve.backends.metadata import IndexMetadata
from susx.images.retrieve.backends.service import MANIFEST_PATH
from susx.images.retrieve.clip_model import clip_retrieval_model, register_model
from susx.images.retrieve.extra import require
from susx.images.retrieve.index_manifest import IndexManifest, check_encoder

__all__ = ["serve", "server_job"]

logger = logging.getLogger(__name__)


def server_job(
    folder: Path, encoder: Any, *, host: str = "127.0.0.1", port: int = 1234, name: str = "susx"
) -> Any:
    """Describe a server.

    Raises:
        MismatchError: another encoder built the index.
        ConfigError: clip-retrieval is not installed, or its server cannot load the encoder.
        RetrievalError: the folder is not an index.
    """
    manifest = IndexManifest.read(folder)
    if manifest is not None:
        check_encoder(str(folder), manifest.made_by, encoder.identity)
    require("clip_retrieval")
    model = clip_retrieval_model(encoder)
    if model is None:
        raise ConfigError(
            f"clip-retrieval's server cannot load the encoder '{encoder.id}' (hub ids and half precision)."
        )
    columns = list(IndexMetadata(folder).columns)
    return {
        "folder": str(folder.resolve()),
        "host": host,
        "port": port,
        "name": name,
        "columns": columns,
        **model,
    }


def serve(job: dict[str, Any]) -> None:
    """Serve until the process is stopped."""
    register_model(job["clip_model"], job["config"])
    # clip-retrieval imports it for multilingual texts alone, which are off; it costs seconds.
    sys.modules.setdefault("sentence_transformers", types.SimpleNamespace(SentenceTransformer=None))  # type: ignore[arg-type]
    # The package has a function of the same name, which "from clip_retrieval import" would give.
    clip_back = importlib.import_module("clip_retrieval.clip_back")

    class Server(clip_back.Flask):  # type: ignore[misc, name-defined]
        def run(self, host: str | None = None, port: int | None = None, **options: Any) -> None:
            manifest = IndexManifest.read(Path(job["folder"]))
            if manifest is not None:
                values = {"encoder": manifest.encoder, "digest": manifest.digest, "rows": manifest.rows}
                self.add_url_rule(f"/{MANIFEST_PATH}", "susx_index", lambda: values)
            at_rest()
            super().run(host=job["host"], port=job["port"], **options)

    clip_back.Flask = Server  # type: ignore[attr-defined]
    clip_back.convert_metadata_to_base64 = _attach_image  # type: ignore[attr-defined]
    os.chdir(job["folder"])  # paths in the metadata may be relative to the index
    with tempfile.TemporaryDirectory() as scratch:
        indices = Path(scratch) / "indices_paths.json"
        indices.write_text(json.dumps({job["name"]: job["folder"]}), encoding="utf-8")
        clip_back.clip_back(
            indices_paths=str(indices), port=job["port"], clip_model=job["clip_model"],
            columns_to_return=job["columns"], enable_faiss_memory_mapping=True, enable_mclip_option=False,
            use_jit=False, provide_safety_model=False, provide_violence_detector=False,
            provide_aesthetic_embeddings=False,
        )  # fmt: skip


def _attach_image(meta: dict[str, Any] | None) -> None:
    if not meta or not meta.get("image_path") or not os.path.exists(meta["image_path"]):
        return
    data = Path(meta["image_path"]).read_bytes()
    if not data.startswith(b"\xff\xd8"):
        try:
            file = io.BytesIO()
            open_image(data).save(file, format="JPEG", quality=95)
            data = file.getvalue()
        except BadImage as bad:
            logger.warning("%s is not served: %s", meta["image_path"], bad)
            return
    meta["image"] = base64.b64encode(data).decode("ascii")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    serve(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
