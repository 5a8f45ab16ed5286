"""The parquet files of a data set, on this machine or behind an address of fsspec's, and what tells their content from another's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susx.errors import ConfigError, InputError, RetrievalError
from susx.file_patterns import matching_files
from susx.store import FileDigests, digest_json
from susx.types import Json
from susx.user_folder import files_below

__all__ = ["ParquetFile", "parquet_files"]

_file_digests = FileDigests()

_TELLING = (
    "ETag",
    "etag",
    "blob_id",
    "sha256",
    "checksum",
    "md5",
    "size",
    "mtime",
    "LastModified",
    "last_commit",
)
"""What file systems say of a file that changes with its content."""


@dataclass(frozen=True)
class ParquetFile:
    """One file.

    Attributes:
        name: as people know it.
        system: fsspec's file system; None for a file of this machine.
    """

    name: str
    system: Any = None

    def open(self) -> Any:
        """Open it as pyarrow does; of a file elsewhere only what is read is fetched.

        Raises:
            RetrievalError: it is no parquet file, or cannot be reached.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            if self.system is None:
                return pq.ParquetFile(self.name, memory_map=True)
            return pq.ParquetFile(self.system.open(self.name, "rb"), pre_buffer=True)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, ValueError) as error:
            raise RetrievalError(
                f"{self.name} cannot be read as parquet: {str(error).splitlines()[0][:200]} Give whole parquet files (retrieval.data)."
            ) from error

    def identity(self) -> Json:
        """Return what changes with its content."""
        if self.system is None:
            return _file_digests(Path(self.name))
        facts = self.system.info(self.name)
        told = {key: str(facts[key]) for key in _TELLING if facts.get(key) is not None}
        return digest_json({"name": self.name, **told})


def parquet_files(data: str | None) -> list[ParquetFile]:
    """Return the parquet files that a path, folder, pattern or address (``hf://datasets/owner/name``, ``s3://bucket/folder``) means, by name.

    Raises:
        ConfigError: nothing was given, or no library here opens such an address.
        RetrievalError: nothing is there.
    """
    if not data:
        raise ConfigError(
            "The backend 'parquet' needs retrieval.data; pass --set retrieval.data=FILE, a folder, a pattern or an address."
        )
    if re.match(r"[A-Za-z][\w+.-]+://", data) and not data.startswith("file://"):
        return _elsewhere(data)
    path = Path(data.removeprefix("file://")).expanduser()
    if path.is_dir():
        files: Sequence[Path] = files_below(path, {".parquet"}).files
    else:
        try:
            files = matching_files(str(path))
        except InputError as error:
            raise RetrievalError(
                f"The backend 'parquet' is told to use {data} (retrieval.data), which is not there. {error}"
            ) from error
    if not files:
        raise RetrievalError(f"The folder {path} (retrieval.data) holds no .parquet files.")
    return [ParquetFile(str(file)) for file in files]


def _elsewhere(data: str) -> list[ParquetFile]:
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(data)
        if any(mark in path for mark in "*?["):
            names = system.glob(path)
        elif system.isdir(path):
            names = [name for name in system.find(path) if name.endswith(".parquet")]
        else:
            names = [path] if system.exists(path) else []
    except (ImportError, ValueError) as error:
        raise ConfigError(f"retrieval.data: {data} cannot be opened here: {error}.") from error
    except Exception as error:  # of as many kinds as there are file systems
        raise RetrievalError(
            f"{data} (retrieval.data) cannot be reached: {type(error).__name__}: {str(error)[:200]}."
        ) from error
    if not names:
        raise RetrievalError(f"There are no parquet files at {data} (retrieval.data).")
    return [ParquetFile(name, system) for name in sorted(names)]
