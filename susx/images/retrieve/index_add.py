"""``susx index add``: published embeddings as an index, without computing or copying what is there already.

Understood are a clip-retrieval folder (``img_emb/``, ``metadata/``, perhaps ``image.index``), parquet with a column of
embeddings, and ``.npy`` or ``.h5`` with the rows' links in a table beside them. Matrices of half or single precision are linked
where the file system allows it; everything else is written in blocks, so memory does not grow with the pool.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from susx.errors import InputError, MismatchError, RetrievalError, StoreError, did_you_mean
from susx.images.retrieve.backends.backend import TextEncoder
from susx.images.retrieve.backends.part_pairs import feature_files, metadata_files, rows_of_table
from susx.images.retrieve.index_manifest import IndexManifest
from susx.store import digest_file, digest_json
from susx.store.disk import whole_folder
from susx.text_file import csv_text
from susx.user_folder import is_leftover

__all__ = ["Added", "add_index"]

_BLOCK = 65_536
"""Rows read at a time."""

_CHECKED = 256
"""Captions that are compared with their own and with other images' embeddings."""


@dataclass(frozen=True)
class Added:
    """What became of the embeddings.

    Attributes:
        manifest: of the new index.
        gain: mean cosine of captions with their own embeddings less that with other images'; None where there are no captions.
        error: standard error of ``gain``.
    """

    manifest: IndexManifest
    gain: float | None = None
    error: float = 0.0

    @property
    def fits(self) -> bool:
        """Whether captions are nearer to their own images than to others, by more than two standard errors."""
        return self.gain is None or self.gain > 2 * self.error


def add_index(
    folder: Path,
    encoder: TextEncoder,
    source: Path,
    *,
    rows: Path | None = None,
    embedding: str | None = None,
) -> Added:
    """Make an index of embeddings; the folder is complete or not there.

    Args:
        folder: the new index; must not exist, or be empty.
        encoder: the one that made the embeddings.
        source: a clip-retrieval folder, a parquet file or folder of such, a ``.npy`` or a ``.h5`` file.
        rows: table (parquet, CSV) with url and caption columns of a ``.npy``'s or ``.h5``'s rows, in their order.
        embedding: name of the column (parquet) or data set (h5) of the embeddings, where there are several.

    Raises:
        InputError: no such source, no embeddings, links or captions in it, a row that is no direction, or rows that do not fit.
        MismatchError: embeddings of another width than the encoder's.
        StoreError: the folder is in use, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(f"{folder} is there already; give the index another folder.")
    try:
        with whole_folder(folder) as partial:
            for name in ("img_emb", "metadata"):
                (partial / name).mkdir()
            kind = _bring(partial, source, rows, embedding)
            added = _described(partial, encoder, kind)
    except OSError as error:
        raise StoreError.of(error, folder) from error
    return added


def _bring(out: Path, source: Path, rows: Path | None, embedding: str | None) -> str:
    """Fill ``img_emb`` and ``metadata`` and return the kind of the source."""
    if not source.exists():
        raise InputError(f"There is no file or folder {source} of embeddings.")
    if rows is not None and (source.is_dir() or source.suffix == ".parquet"):
        raise InputError(
            f"{source} has its rows beside the embeddings: --rows is of .npy and .h5. Leave it out."
        )
    if embedding is not None and (source.suffix == ".npy" or (source / "img_emb").is_dir()):
        raise InputError(
            f"{source} holds one matrix of embeddings a file: --embedding is of parquet and .h5. Leave it out."
        )
    if source.is_dir() and (source / "img_emb").is_dir():
        _bring_folder(out, source)
        return "clip-retrieval"
    if source.suffix == ".parquet" or source.is_dir():
        files = (
            [path for path in sorted(source.glob("*.parquet")) if not is_leftover(path.name)]
            if source.is_dir()
            else [source]
        )
        if not files:
            raise InputError(
                f"{source} holds neither img_emb/ and metadata/ (a clip-retrieval folder) nor *.parquet."
            )
        for file in files:
            _bring_parquet(out, file, embedding)
        return "parquet"
    if source.suffix == ".npy":
        _link(source, out / "img_emb" / "img_emb_00000.npy")
    elif source.suffix in {".h5", ".hdf5"}:
        _bring_h5(out, source, embedding)
    else:
        raise InputError(
            f"{source}: expected a clip-retrieval folder, .parquet, .npy or .h5; found '{source.suffix or 'no ending'}'."
        )
    if rows is not None:
        _bring_table(out, rows)
    if not any((out / "metadata").iterdir()):
        raise InputError(
            f"{source} says nothing of where its images are. Give the table of its rows with --rows (parquet or CSV with url "
            "and caption columns, in the rows' order)."
        )
    return source.suffix.lstrip(".")


def _bring_folder(out: Path, source: Path) -> None:
    try:
        features, tables = feature_files(source), metadata_files(source)
    except RetrievalError as error:
        raise InputError(str(error)) from error
    if not features or not tables:
        raise InputError(
            f"{source}: expected img_emb/*.npy and metadata/*.parquet of clip-retrieval's inference; one is missing."
        )
    in_order = sorted(tables) == tables
    for matrix, table in zip(features, tables, strict=True):
        _link(matrix, out / "img_emb" / matrix.name)
        # Other programs take the tables by the order of their names.
        name = (
            table.name
            if in_order
            else f"metadata_{matrix.stem.removeprefix('img_emb').lstrip('-_.')}.parquet"
        )
        _link(table, out / "metadata" / name)
    if (source / "image.index").is_file():
        _link(source / "image.index", out / "image.index")


def _bring_parquet(out: Path, file: Path, embedding: str | None) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = len(feature_files(out))
    try:
        table = pq.ParquetFile(file, memory_map=True)
        schema = table.schema_arrow
        column = _column_of_vectors(file, schema, embedding)
        others = [name for name in schema.names if name != column]
        features: _Growing | None = None
        with pq.ParquetWriter(
            out / "metadata" / f"metadata_{number:05d}.parquet",
            pa.schema([schema.field(name) for name in others]),
        ) as writer:
            for batch in table.iter_batches(_BLOCK):
                block = _matrix(file, batch.column(column))
                features = features or _Growing(
                    out / "img_emb" / f"img_emb_{number:05d}.npy", table.metadata.num_rows, block.shape[1]
                )
                features.append(block, file)
                writer.write_batch(batch.select(others))
    except pa.ArrowException as error:
        raise InputError(f"{file} cannot be read as parquet: {error}.") from error
    if features is None:
        raise InputError(f"{file} has no rows.")
    features.close()


def _column_of_vectors(file: Path, schema: Any, embedding: str | None) -> str:
    import pyarrow as pa

    def numbers(kind: Any) -> bool:
        listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        return bool(listed and pa.types.is_floating(kind.value_type))

    columns: list[str] = [name for name in schema.names if numbers(schema.field(name).type)]
    if embedding is not None:
        if embedding not in columns:
            raise InputError(
                f"{file} has no column '{embedding}' of lists of real numbers.{did_you_mean(embedding, columns)}"
            )
        return embedding
    if len(columns) != 1:
        raise InputError(
            f"{file}: expected one column of embeddings (lists of real numbers); found {', '.join(columns) or 'none'} among "
            f"{', '.join(schema.names)}. Name it with --embedding."
        )
    return columns[0]


def _matrix(file: Path, column: Any) -> np.ndarray:
    import pyarrow as pa

    if column.null_count:
        raise InputError(
            f"{file}: {column.null_count} rows have no embedding. Take them out of the table first."
        )
    width = column.type.list_size if pa.types.is_fixed_size_list(column.type) else None
    values = column.flatten().to_numpy(zero_copy_only=False)
    if width is None:
        lengths = np.unique(np.diff(column.offsets.to_numpy()))
        if len(lengths) != 1:
            raise InputError(f"{file}: embeddings of widths {lengths[:5].tolist()}; expected one width.")
        width = int(lengths[0])
    return np.asarray(values).reshape(len(column), width)


def _bring_h5(out: Path, file: Path, embedding: str | None) -> None:
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            f"{file}: reading HDF5 needs h5py, which is not installed. Run: pip install 'susx[h5]'"
        ) from error
    import pandas as pd

    try:
        with h5py.File(file, "r") as data:
            sets = {name: item for name, item in data.items() if isinstance(item, h5py.Dataset)}
            matrices = [name for name, item in sets.items() if item.ndim == 2 and item.dtype.kind == "f"]
            if embedding is not None and embedding not in matrices:
                raise InputError(
                    f"{file} has no matrix '{embedding}' of real numbers.{did_you_mean(embedding, matrices)}"
                )
            if embedding is None and len(matrices) != 1:
                raise InputError(
                    f"{file}: expected one matrix of embeddings; found {', '.join(matrices) or 'none'} among {', '.join(sets)}. "
                    "Name it with --embedding."
                )
            matrix = sets[embedding or matrices[0]]
            features = _Growing(out / "img_emb" / "img_emb_00000.npy", len(matrix), matrix.shape[1])
            for start in range(0, len(matrix), _BLOCK):
                features.append(matrix[start : start + _BLOCK], file)
            features.close()
            texts = {
                name: item.asstr()[:]
                for name, item in sets.items()
                if h5py.check_string_dtype(item.dtype) and item.shape == (len(matrix),)
            }
    except OSError as error:
        raise InputError(f"{file} cannot be read as HDF5: {error}.") from error
    if texts:
        pd.DataFrame(texts).to_parquet(out / "metadata" / "metadata_00000.parquet", index=False)


def _bring_table(out: Path, rows: Path) -> None:
    import pandas as pd

    for there in (out / "metadata").iterdir():
        there.unlink()
    target = out / "metadata" / "metadata_00000.parquet"
    if rows.suffix == ".parquet" and rows.is_file():
        _link(rows, target)
        return
    try:
        text, delimiter = csv_text(rows, error=InputError)
        table = pd.read_csv(io.StringIO(text), sep=delimiter, dtype=str, keep_default_na=False)
        table.to_parquet(target, index=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{rows}: expected parquet or CSV with url and caption columns ({error})."
        ) from error


class _Growing:
    """A ``.npy`` of half precision, written in blocks."""

    def __init__(self, path: Path, rows: int, width: int) -> None:
        self.data = np.lib.format.open_memmap(path, "w+", np.float16, (rows, width))
        self.filled = 0

    def append(self, block: np.ndarray, file: Path) -> None:
        if block.shape[1] != self.data.shape[1]:
            raise InputError(
                f"{file}: embeddings of widths {self.data.shape[1]} and {block.shape[1]}; expected one width."
            )
        # Unit rows first: half precision ends at 65,504, and published embeddings are of any length.
        values = block.astype(np.float32)
        norms = np.linalg.norm(values, axis=1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.data[self.filled : self.filled + len(block)] = values / norms
        self.filled += len(block)

    def close(self) -> None:
        self.data.flush()


def _described(out: Path, encoder: TextEncoder, kind: str) -> Added:
    """Check what was brought and write the manifest."""
    from susx.images.retrieve.backends.exact_index import ExactIndex
    from susx.images.retrieve.backends.index import open_faiss
    from susx.images.retrieve.backends.metadata import IndexMetadata

    files = feature_files(out)
    index, tables = ExactIndex(files), sorted((out / "metadata").glob("*.parquet"))
    width = int(encoder.encode_texts(["a"]).shape[1])
    if index.d != width:
        raise MismatchError(
            f"The embeddings have width {index.d}; the encoder '{encoder.identity.model}' makes {width}. Name the encoder that made "
            "them with --profile or --encoder."
        )
    rows = sum(map(rows_of_table, tables))
    if index.ntotal != rows:
        raise InputError(
            f"{index.ntotal} embeddings, but {rows} rows of links and captions; they must be the same images."
        )
    metadata = IndexMetadata(out)
    if not {"url", "image_path"} & {name.lower() for name in metadata.columns}:
        raise InputError(
            f"The rows have no column 'url' (or 'image_path'), so no image could be fetched; found {', '.join(metadata.columns)}."
        )
    if (out / "image.index").is_file() and ((made := open_faiss(out)).ntotal, made.d) != (
        index.ntotal,
        index.d,
    ):
        raise InputError(
            f"image.index holds {made.ntotal} rows of width {made.d}, img_emb/ {index.ntotal} of {index.d}: they are of "
            "different builds. Leave image.index out; the features are then searched exactly."
        )
    _check_rows(index)
    gain = _caption_gain(index, metadata, encoder)
    digests = {
        path.relative_to(out).as_posix(): digest_file(path)
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }
    manifest = IndexManifest(
        encoder.identity.model,
        encoder.identity.digest,
        index.d,
        index.ntotal,
        {},
        digest_json([encoder.identity.digest, digests]),
        kind,
        tool="published",
    )
    manifest.write(out)
    return Added(manifest, *gain) if gain else Added(manifest)


def _blocks(index: Any) -> Iterator[tuple[int, np.ndarray]]:
    start = 0
    for part in index.parts:
        for first in range(0, len(part), _BLOCK):
            yield start + first, part[first : first + _BLOCK]
        start += len(part)


def _check_rows(index: Any) -> None:
    for start, block in _blocks(index):
        if block.dtype.kind != "f":
            raise InputError(f"The embeddings are {block.dtype}; expected real numbers (float16 or float32).")
        norms = np.linalg.norm(block.astype(np.float32), axis=1)
        bad = np.flatnonzero(~np.isfinite(norms) | (norms == 0))
        if len(bad):
            raise InputError(
                f"Row {start + int(bad[0])} of the embeddings is NaN, infinite or zero ({len(bad)} of the {len(block)} rows from "
                f"{start}). Take such rows out of embeddings and table first."
            )


def _caption_gain(index: Any, metadata: Any, encoder: TextEncoder) -> tuple[float, float] | None:
    """Return by how much captions are nearer to their own embeddings than to others', and its standard error."""
    places = np.unique(np.linspace(0, index.ntotal - 1, 4 * _CHECKED).astype(int)).tolist()
    captions = metadata.get(places).caption
    told = [
        (row, caption) for row, caption in zip(places, captions, strict=True) if caption and caption.strip()
    ][:_CHECKED]
    if len(told) < 8:
        return None
    images = np.stack([index.row(row) for row, _ in told]).astype(np.float32)
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    texts = np.asarray(encoder.encode_texts([caption for _, caption in told]))
    cosines = texts @ images.T
    count = len(told)
    own_cosine = np.diag(cosines)
    others = (cosines.sum(axis=1) - own_cosine) / (count - 1)
    differences = own_cosine - others
    return float(differences.mean()), float(differences.std(ddof=1) / np.sqrt(count))


def _link(source: Path, target: Path) -> None:
    """Give a file a second name; copy it where that cannot be."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
