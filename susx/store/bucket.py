"""Objects below an address: what :class:`susx.store.remote.RemoteStore` asks of fsspec, with failures in words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from susx.errors import StoreError

__all__ = ["Bucket"]

_CLIENTS = {"botocore", "aiobotocore", "s3fs", "gcsfs", "adlfs", "azure", "google", "aiohttp"}


class Bucket:
    """An address, the file system it is on, and the path in it.

    Raises:
        StoreError: fsspec knows no such address, or its package is missing.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url.rstrip("/")
        try:
            self.fs, self.prefix = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise StoreError(
                f"The store {self.url} cannot be opened: {error}. For s3:// install 'susx[s3]'; a folder works without."
            ) from error

    def path(self, *parts: str) -> str:
        """Return the path of an object below the address."""
        return "/".join((self.prefix, *parts))

    @contextlib.contextmanager
    def words(self) -> Iterator[None]:
        """Turn what an object store refuses into words; a missing object stays FileNotFoundError.

        Raises:
            StoreError: no such bucket, no right to it, no answer.
        """
        try:
            yield
        except (FileNotFoundError, StoreError):
            raise
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in _CLIENTS and not isinstance(error, OSError):
                raise
            raise StoreError(self._refused(error)) from error

    def _refused(self, error: Exception) -> str:
        return (
            f"The store {self.url} cannot be used: {type(error).__name__}: {error}. Check the address, the "
            "credentials and the bucket; finished work is kept."
        )

    def read(self, path: str) -> bytes:
        """Return an object's content.

        Raises:
            FileNotFoundError: there is none.
        """
        with self.words():
            return bytes(self.fs.cat_file(path))

    def write(self, path: str, data: bytes) -> None:
        """Write an object; object stores show it whole or not at all."""
        with self.words():
            try:
                self.fs.pipe_file(path, data)
            except FileNotFoundError as error:
                raise StoreError(self._refused(error)) from error

    def remove(self, path: str) -> None:
        """Remove an object, if it is there."""
        with contextlib.suppress(FileNotFoundError), self.words():
            self.fs.rm_file(path)

    def exists(self, path: str) -> bool:
        """Whether there is an object."""
        with self.words():
            try:
                self.fs.info(path)
            except FileNotFoundError:
                return False
        return True

    def modified(self, path: str) -> float | None:
        """Return when an object was last written, in seconds; None where there is none."""
        with self.words():
            try:
                return float(self.fs.modified(path).timestamp())
            except FileNotFoundError:
                return None

    def list(self, folder: str) -> dict[str, list[Any]]:
        """Return size and tag of every object below ``folder``, by its name relative to it."""
        with self.words():
            try:
                entries = self.fs.find(folder, detail=True)
            except FileNotFoundError:
                return {}
        return {
            path[len(folder) :].lstrip("/"): [info["size"], str(info.get("ETag") or info.get("mtime") or "")]
            for path, info in entries.items()
        }
