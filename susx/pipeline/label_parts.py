"""What the stages of labelling share: which photographs a folder holds, kept in the store for the processes that encode them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from susx.errors import InputError
from susx.image_folder import images_below, passed_over
from susx.store import ArtefactStore, digest_json
from susx.store.disk import read_json, write_atomically
from susx.store.seen_files import SeenFiles
from susx.types import Digest

__all__ = ["Folder", "look_into", "read_photos"]


@dataclass(frozen=True)
class Folder:
    """The photographs of a folder as they were when it was looked into.

    Attributes:
        path: the folder, absolute.
        photos: path relative to the folder -> sha256 of the file, in the order of the paths.
        left_out: path -> reason, of files that could not be read.
        passed_over: reason -> number of other entries that are no photographs.
    """

    path: Path
    photos: Mapping[str, Digest]
    left_out: Mapping[str, str] = field(default_factory=dict)
    passed_over: Mapping[str, int] = field(default_factory=dict)

    @property
    def digests(self) -> list[Digest]:
        """Digests of the files, each once, sorted."""
        return sorted(set(self.photos.values()))

    @property
    def content(self) -> Digest:
        """Digest of what the folder holds, whatever the files are called."""
        return digest_json(self.digests)

    def keep(self, store: ArtefactStore) -> str:
        """Write down where each photograph lies, and return the name of the list."""
        where = {digest: os.fsencode(path).hex() for path, digest in self.photos.items()}
        name = f"{digest_json([str(self.path), where])}.json"
        write_atomically(
            _lists(store) / name, json.dumps({"folder": str(self.path), "photos": where}).encode()
        )
        return name


def read_photos(store: ArtefactStore, name: str) -> dict[Digest, Path]:
    """Return digest -> file of a list that ``Folder.keep`` wrote.

    Raises:
        InputError: it is gone.
    """
    data = read_json(_lists(store) / name)
    if not isinstance(data, dict):
        raise InputError(
            "The list of the folder's photographs was removed from the store; run the same command again."
        )
    folder = Path(data["folder"])
    return {digest: folder / os.fsdecode(bytes.fromhex(path)) for digest, path in data["photos"].items()}


def look_into(folder: Path, store: ArtefactStore, leave: Path | None = None) -> Folder:
    """Return the photographs below a folder, each with the digest of its file.

    Args:
        folder: what a person wants labelled.
        store: remembers digests, so that files that were not changed are not read again.
        leave: a folder below it that is not looked into (where the result goes).

    Raises:
        InputError: there is no such folder, or it cannot be listed.
    """
    folder = folder.expanduser()
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "is not there"
        raise InputError(f"{folder} {what}; expected a folder of photographs to label.")
    folder = Path(os.path.abspath(folder))
    seen = SeenFiles(store, folder)
    photos: dict[str, Digest] = {}
    left_out: dict[str, str] = {}
    below = images_below(folder)
    for path in below.files:
        if leave is not None and leave.is_relative_to(folder) and path.is_relative_to(leave):
            continue
        name = os.fspath(path.relative_to(folder))
        try:
            photos[name] = seen(path)
        except OSError as error:  # it may not be read, or went away since it was listed
            left_out[name] = f"cannot be read ({error.strerror or error})"
    seen.remember()
    return Folder(folder, photos, left_out, passed_over(below))


def _lists(store: ArtefactStore) -> Path:
    return store.root / "features" / "folders"
