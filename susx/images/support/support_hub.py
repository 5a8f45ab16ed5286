"""Support sets on the Hugging Face Hub: parquet with a dataset card, pushed in one commit, fetched at one commit."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from susx.errors import InputError, StoreError
from susx.hub import HubAddress, choose_licence, fetch, upload
from susx.images.support.export_parquet import PARQUET, export_parquet
from susx.images.support.export_support import ORIGINS, Locate
from susx.records import SupportRow
from susx.store.disk import whole_folder

__all__ = ["pull_support", "push_support"]

FILES = frozenset({PARQUET, ORIGINS, "classes.json", "README.md"})


def push_support(
    rows: Sequence[SupportRow],
    classes: Sequence[str],
    locate: Locate,
    address: str,
    *,
    licence: str | None = None,
    private: bool = True,
) -> HubAddress:
    """Push the kept images of a support set in one commit and return the address of that commit.

    Args:
        rows: of the table; what was rejected stays at home.
        classes: in label order.
        locate: where the image of a row is.
        address: hf://datasets/owner/name.
        licence: identifier of the card; else what all images have (:func:`susx.hub.choose_licence`).
        private: whether a new repository is private.

    Raises:
        ConfigError, InputError, ServerError: see :func:`susx.hub.upload` and ``choose_licence``; nothing was pushed.
    """
    target = HubAddress.parse(address, "dataset")
    kept = [row.shared() for row in rows if row.kept and row.file]
    if not kept:
        raise InputError("The support set holds no images; nothing was pushed.")
    chosen = choose_licence(licence, kept)
    with tempfile.TemporaryDirectory(prefix="susx-push-") as scratch:
        folder = Path(scratch) / "set"
        number = export_parquet(kept, classes, locate, folder, licence=chosen)
        files: dict[str, Path | bytes] = {name: folder / name for name in sorted(FILES)}
        return upload(
            target, files, replaces=lambda names: ORIGINS in names, private=private,
            message=f"Support set, {number} images of {len(classes)} classes",
        )  # fmt: skip


def pull_support(address: str, out: Path) -> HubAddress:
    """Copy a support set of the Hub to a folder, whole or not at all, and return its pinned address.

    Raises:
        StoreError: ``out`` exists or cannot be written.
        ConfigError, InputError, ServerError: as fetching; or the table is not one of a support set; ``out`` is not made.
    """
    if out.exists():
        raise StoreError(f"{out} exists; give a new folder to pull to.")
    fetched = fetch(HubAddress.parse(address, "dataset"), FILES.__contains__)
    _check(fetched.folder / PARQUET, address)
    try:
        with whole_folder(out) as partial:
            fetched.copy(partial)
    except OSError as error:
        raise StoreError(f"The support set cannot be written to {out}: {error}.") from error
    return fetched.address


def _check(table: Path, address: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(table)
        names = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]["label"]["names"]
        whole = {"image", "label", "origin", "url", "licence"} <= set(schema.names) and bool(names)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError):
        whole = False
    if not whole:
        raise InputError(
            f"{address} holds no support set of susx: expected {PARQUET} with images, labels and their origins. Other data sets are described "
            "with 'susx datasets new --from' after a download."
        )
