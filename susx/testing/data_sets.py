"""Labelled images in the layouts that other people keep them in, written for tests."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

__all__ = ["write_tables", "write_webdataset"]

Labelled = Sequence[tuple[bytes, int]]


def write_webdataset(
    folder: Path,
    splits: Mapping[str, Labelled],
    names: Sequence[str],
    templates: Sequence[str] = (),
    *,
    per_shard: int = 4,
) -> None:
    """Write shards, class names and templates as CLIP_benchmark has them; ``splits`` are (encoded image, class number)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classnames.txt").write_text("\n".join(names), encoding="utf-8")
    if templates:
        (folder / "zeroshot_classification_templates.txt").write_text("\n".join(templates), encoding="utf-8")
    for split, samples in splits.items():
        (folder / split).mkdir()
        for start in range(0, len(samples), per_shard):
            with tarfile.open(folder / split / f"{start // per_shard}.tar", "w") as tar:
                for number, (image, label) in enumerate(samples[start : start + per_shard], start):
                    for kind, content in (("jpg", image), ("cls", str(label).encode())):
                        member = tarfile.TarInfo(f"s{number:07d}.{kind}")
                        member.size = len(content)
                        tar.addfile(member, io.BytesIO(content))


def write_tables(
    folder: Path,
    splits: Mapping[str, Labelled],
    names: Sequence[str],
    *,
    arrow: bool = False,
    marked: bool = True,
) -> None:
    """Write splits as a Hub repository's parquet files, or as ``save_to_disk`` does; unmarked ones have class strings."""
    features = {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
    for split, samples in splits.items():
        label = (
            pa.array([label for _, label in samples], pa.int64())
            if marked
            else pa.array([names[n] for _, n in samples])
        )
        images = pa.array(
            [{"bytes": image, "path": None} for image, _ in samples],
            pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        )
        table = pa.table({"image": images, "label": label})
        if marked:
            table = table.replace_schema_metadata(
                {"huggingface": json.dumps({"info": {"features": features}})}
            )
        if arrow:
            (folder / split).mkdir(parents=True)
            with pa.ipc.new_stream(str(folder / split / "data-00000-of-00001.arrow"), table.schema) as stream:
                stream.write_table(table, max_chunksize=3)
        else:
            (folder / "data").mkdir(parents=True, exist_ok=True)
            pq.write_table(table, folder / "data" / f"{split}-00000-of-00001.parquet", row_group_size=3)
