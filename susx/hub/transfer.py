"""Files from and to a repository: fetched at one commit into the Hub's own cache, pushed in one commit."""

from __future__ import annotations

import glob
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susx.errors import ConfigError, InputError
from susx.hub.address import HubAddress
from susx.hub.failures import explained, unreachable

if TYPE_CHECKING:
    from huggingface_hub import DatasetInfo, ModelInfo

__all__ = ["MAX_BYTES", "Snapshot", "fetch", "upload"]

logger = logging.getLogger(__name__)

MAX_BYTES = 50_000_000_000
"""Most that one address may bring."""

TIMEOUT = 20.0
"""Seconds to wait for the Hub to say what a repository holds."""

CARD = "README.md"
_KEPT = (".gitattributes",)


@dataclass(frozen=True)
class Snapshot:
    """Files of one commit, in the Hub's cache.

    Attributes:
        address: with the commit as its revision.
        folder: holds the files; read only.
        files: their names, sorted.
    """

    address: HubAddress
    folder: Path
    files: tuple[str, ...]

    def copy(self, out: Path) -> None:
        """Copy the files to a folder that is there."""
        for name in self.files:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.folder / name, out / name)


def fetch(address: HubAddress, wanted: Callable[[str], bool], *, max_bytes: int = MAX_BYTES) -> Snapshot:
    """Bring the files of a repository that are wanted; what is in the cache already is not fetched again.

    Where the Hub cannot be reached, the last copy of that revision on this machine is taken, with a warning.

    Args:
        address: the repository.
        wanted: whether a file of that name is fetched; all names are the repository's own, so let it be a strict test.
        max_bytes: of all files together.

    Raises:
        InputError: nothing wanted is there, it is too large, or the repository is not for this user.
        ServerError: the Hub cannot be reached and there is no copy.
    """
    from huggingface_hub import snapshot_download

    with explained(address, "fetched"):
        where: dict[str, Any] = {
            "repo_id": address.repository, "repo_type": address.kind, "revision": address.revision,
            "cache_dir": os.environ.get("HF_HUB_CACHE") or None,
        }  # fmt: skip
        try:
            sizes = {name: size for name, size in _listing(address)[1].items() if wanted(name)}
        except unreachable() as error:
            # No file is asked for by name: what was fetched then is a choice of the repository's files, and is checked when it is read.
            folder = Path(snapshot_download(**where, local_files_only=True, allow_patterns=["/"]))
            logger.warning("The Hub cannot be reached (%s); %s is the copy of last time.", error, address)
        else:
            _check_sizes(address, sizes, max_bytes)
            patterns = [glob.escape(name) for name in sizes]
            folder = Path(snapshot_download(**where, allow_patterns=patterns, endpoint=_endpoint()))
        files = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
        return Snapshot(address.pinned(folder.name), folder, tuple(name for name in files if wanted(name)))


def upload(
    address: HubAddress,
    files: Mapping[str, Path | bytes],
    *,
    replaces: Callable[[Sequence[str]], bool],
    private: bool = True,
    message: str = "Push from susx",
) -> HubAddress:
    """Let a repository hold exactly these files, in one commit, and return the address of that commit.

    Args:
        address: made where it is not there.
        files: name in the repository -> file or content.
        replaces: whether what the repository holds (its names, without the card) may be replaced.
        private: whether a new repository is private; an old one stays as it is.
        message: of the commit.

    Raises:
        ConfigError: the address names a revision.
        InputError: no token, no right to write, or the repository holds something else.
        ServerError: the Hub cannot be reached or fails; what the repository held is as it was (a new one may be left empty).
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
    from huggingface_hub.errors import RepositoryNotFoundError

    if address.revision:
        raise ConfigError(f"A push makes a revision of its own; leave @{address.revision} out of {address}.")
    if not get_token():
        raise InputError(
            f"{address} cannot be pushed: there is no token for the Hub. Make one that may write at "
            "https://huggingface.co/settings/tokens and set HF_TOKEN, or run 'hf auth login'."
        )
    api = HfApi(endpoint=_endpoint())
    where: dict[str, Any] = {"repo_id": address.repository, "repo_type": address.kind}
    new = False
    with explained(address, "pushed"):
        try:
            commit, held = _listing(address)
        except RepositoryNotFoundError:
            commit, held, new = None, {}, True
        others = [name for name in held if name not in (*_KEPT, CARD)]
        if others and not replaces(others):
            raise InputError(
                f"{address} holds something else ({', '.join(others[:3])}); nothing was pushed. Give another name."
            )
        if new:
            api.create_repo(**where, private=private)
        operations = [CommitOperationAdd(name, source) for name, source in sorted(files.items())]
        stale = [name for name in held if name not in files and name not in _KEPT]
        done = api.create_commit(
            **where, operations=[*operations, *(CommitOperationDelete(name) for name in stale)],
            commit_message=message, parent_commit=commit,
        )  # fmt: skip
    return address.pinned(done.oid)


def _listing(address: HubAddress) -> tuple[str | None, dict[str, int]]:
    """Return commit and file sizes in bytes."""
    from huggingface_hub import HfApi

    info: ModelInfo | DatasetInfo = HfApi(endpoint=_endpoint()).repo_info(  # type: ignore[assignment]
        address.repository,
        repo_type=address.kind,
        revision=address.revision,
        files_metadata=True,
        timeout=TIMEOUT,
    )
    return info.sha, {file.rfilename: file.size or 0 for file in info.siblings or ()}


def _check_sizes(address: HubAddress, sizes: Mapping[str, int], max_bytes: int) -> None:
    if not sizes:
        kind = "classifier" if address.kind == "model" else "support set"
        raise InputError(f"{address} holds no {kind} of susx. See what it holds on https://huggingface.co.")
    if sum(sizes.values()) > max_bytes:
        raise InputError(
            f"{address} holds {sum(sizes.values()) / 1e9:.1f} GB, more than the {max_bytes / 1e9:.1f} GB that are fetched."
        )


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
