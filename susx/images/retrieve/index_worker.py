"""``python -m susx.images.retrieve.index_worker JOB.json``: clip-retrieval's inference and index in a process of its own.

They print and change registries at import. The inference is clip-retrieval's reader, mapper, writer and runner; its
``worker`` function would also start a process for a log, which imports everything once more for every part.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import sys
import tempfile
import types
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from susx.encoder_id import EncoderId
from susx.features.remembered import RememberedFeatures
from susx.image_files import ImageLimits
from susx.images.fetch.worker_process import die_with_parent
from susx.images.retrieve.clip_model import register_model
from susx.images.retrieve.index_items import IndexItem
from susx.images.retrieve.index_parts import Embed, assemble, build_parts, parts_of

die_with_parent()
# Imported by clip-retrieval for its multilingual texts alone, which are not used here; it costs seconds.
sys.modules.setdefault("sentence_transformers", types.SimpleNamespace(SentenceTransformer=None))  # type: ignore[arg-type]


def main(job: dict[str, Any]) -> dict[str, Any]:
    """Compute the missing parts, lay out the index, make its faiss file and return what the manifest needs."""
    items = [IndexItem(**item) for item in job["items"]]
    limits = ImageLimits(**job["limits"])
    build = Path(job["build"])
    embed = _inference(job) if job["clip_model"] else _absent
    remembered = None
    if job["remembered"]:
        store, made_by = job["remembered"]
        remembered = RememberedFeatures(Path(store), EncoderId(**made_by))
    parts = build_parts(parts_of(items, job["part_size"]), build, job["digest"], limits, embed, remembered)
    content, rows, width = assemble(parts, build / "out", Path(job["folder"]))
    if rows:
        _make_faiss(build / "out", build / "faiss", bool(job["clip_model"]))
    rejected = sum((part.rejected for part in parts), Counter())
    return {"content": content, "rows": rows, "width": width, "rejected": dict(rejected)}


def _absent(staged: Path, scratch: Path) -> tuple[list[str], np.ndarray]:
    raise RuntimeError("a part that was just computed is gone")


def _inference(job: dict[str, Any]) -> Embed:
    """Return clip-retrieval's inference as a function; it is loaded at the first part."""
    register_model(job["clip_model"], job["config"])

    def embed(staged: Path, scratch: Path) -> tuple[list[str], np.ndarray]:
        import pandas as pd
        from all_clip import load_clip
        from clip_retrieval.clip_inference.mapper import ClipMapper
        from clip_retrieval.clip_inference.reader import FilesReader
        from clip_retrieval.clip_inference.runner import Runner
        from clip_retrieval.clip_inference.writer import NumpyWriter

        def reader(sampler: Any) -> Any:
            _, preprocess, tokenizer = load_clip(job["clip_model"], use_jit=False)
            return FilesReader(
                sampler, preprocess, tokenizer, str(staged), job["batch_size"], 0, enable_text=False
            )

        runner = Runner(
            reader_builder=reader,
            mapper_builder=lambda: ClipMapper(True, False, False, False, job["clip_model"], False, ""),
            writer_builder=lambda number: NumpyWriter(number, str(scratch), False, True, False, 1),
            logger_builder=lambda number: _Quiet(),
            output_partition_count=1,
        )
        runner(0)
        paths = pd.read_parquet(scratch / "metadata" / "metadata_0.parquet")["image_path"]
        return [Path(path).name for path in paths], np.load(
            scratch / "img_emb" / "img_emb_0.npy", allow_pickle=False
        )

    return embed


class _Quiet:
    """In place of clip-retrieval's log of batches."""

    def start(self) -> None: ...

    def end(self) -> None: ...

    def __call__(self, statistics: Any) -> None: ...


def _make_faiss(out: Path, scratch: Path, by_clip_retrieval: bool) -> None:
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    if glob.has_magic(str(out.resolve())):
        # autofaiss globs the path that it is given: of "runs [2024]" it finds nothing.
        with tempfile.TemporaryDirectory(
            dir="/tmp" if glob.has_magic(tempfile.gettempdir()) else None
        ) as plain:
            Path(plain, "out").symlink_to(out.resolve())
            Path(plain, "faiss").symlink_to(scratch.resolve())
            _run_autofaiss(Path(plain, "out"), Path(plain, "faiss"), by_clip_retrieval)
    else:
        _run_autofaiss(out, scratch, by_clip_retrieval)
    for name in ("image.index", "image.json"):
        os.replace(scratch / name, out / name)


def _run_autofaiss(out: Path, scratch: Path, by_clip_retrieval: bool) -> None:
    # autofaiss writes its measurements with json, which knows no NumPy scalars; under NumPy 2 some of them are float32.
    json.JSONEncoder.default = lambda _, value: value.item()  # type: ignore[method-assign, assignment]
    if by_clip_retrieval:
        from clip_retrieval.clip_index import clip_index

        clip_index(str(out), str(scratch), copy_metadata=False)
    else:
        from autofaiss import build_index

        build_index(
            embeddings=str(out / "img_emb"), index_path=str(scratch / "image.index"),
            index_infos_path=str(scratch / "image.json"), max_index_memory_usage="4G", current_memory_available="16G",
        )  # fmt: skip


if __name__ == "__main__":
    path = Path(sys.argv[1])
    result = main(json.loads(path.read_text(encoding="utf-8")))
    path.with_name("result.json").write_text(json.dumps(result), encoding="utf-8")
