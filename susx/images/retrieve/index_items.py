"""What goes into an index: image files with what is known of them, from a folder, a list of links or tar files."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import tarfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susx.config import DownloadConfig
from susx.errors import InputError, SusxError
from susx.file_patterns import matching_files
from susx.image_files import BadImage, ImageLimits, open_image, save_upright
from susx.image_folder import passed_over, require_images
from susx.images.retrieve.download import download, download_folder
from susx.images.retrieve.link_list import read_link_list
from susx.tar_samples import TarSample, tar_samples
from susx.text_file import decode_text

__all__ = ["IndexItem", "items_of_folder", "items_of_links", "items_of_tars"]

logger = logging.getLogger(__name__)

_LONGEST_TEXT = 1 << 20
"""Bytes of a caption or its metadata that are read."""


@dataclass(frozen=True)
class IndexItem:
    """One image file. Columns are named as in LAION's tables, which clip-retrieval's server returns."""

    image_path: str
    caption: str = ""
    url: str = ""
    LICENSE: str = ""
    NSFW: str = ""

    def stamp(self) -> str:
        """Return what changes when the file or its description does."""
        status = os.stat(self.image_path)
        return json.dumps([*dataclasses.astuple(self), status.st_size, status.st_mtime_ns])


def items_of_folder(folder: Path) -> tuple[list[IndexItem], Counter[str]]:
    """Return the images below a folder in the order of their paths, and the number of entries passed over by reason.

    ``x.txt`` beside ``x.jpg`` is its caption.

    Raises:
        InputError: there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder} to index.")
    below = require_images(folder.resolve())
    return [IndexItem(str(path), _caption(path)) for path in below.files], Counter(passed_over(below))


def items_of_links(table: Path, folder: Path, config: DownloadConfig) -> tuple[list[IndexItem], Counter[str]]:
    """Download a list of links below ``folder`` and return the images and the number of failures by reason.

    Raises:
        InputError: the table is not a list of links.
        DownloadError: too many links fail.
    """
    rows = read_link_list(table)
    fates = download([row.url for row in rows], folder, config)
    downloads = download_folder(folder, config).resolve()
    rejected = Counter(fate.reason for fate in fates.values() if fate.reason)
    items = [
        IndexItem(str(downloads / fates[row.url].file), row.caption, row.url, row.licence, row.nsfw)
        for row in rows
        if not fates[row.url].reason
    ]
    return items, rejected


def items_of_tars(pattern: str, folder: Path, config: DownloadConfig) -> tuple[list[IndexItem], Counter[str]]:
    """Decode the images of WebDataset tar files below ``folder`` and return them and the number of bad ones.

    :mod:`susx.tar_samples` says which members are one sample; ``txt`` is a caption, ``json`` its metadata. ``pattern`` may have braces.

    Raises:
        InputError: no file matches, or one is not a tar file.
    """
    items: list[IndexItem] = []
    rejected: Counter[str] = Counter()
    limits = ImageLimits(config.max_bytes, config.max_pixels)
    for tar in matching_files(pattern):
        samples = tar_samples(tar, InputError)
        with tarfile.open(tar, "r:*") as opened:
            for sample in samples:
                if sample.image is None:
                    rejected["no-image"] += 1
                    continue
                if further := len(sample.images) - 1:
                    rejected["further-image-of-a-sample"] += further
                if sample.image.size > config.max_bytes:
                    rejected["too-large"] += 1
                    continue
                parts = _parts(opened.fileobj, sample)
                data = parts[sample.images[0]]
                # Named by content: a tar that was replaced must not find the images of the old one.
                name = hashlib.sha256(data).hexdigest()[:32]
                target = folder / name[:2] / f"{name}.jpg"
                try:
                    image = open_image(data, limits)
                except BadImage as bad:
                    rejected[bad.reason] += 1
                    continue
                if not target.is_file():
                    save_upright(image, target, shortest=config.image_size)
                meta = _metadata(parts.get("json", b"{}"))
                caption = _caption_text(parts["txt"]) if "txt" in parts else meta.get("caption", "")
                items.append(
                    IndexItem(str(target.resolve()), caption, meta.get("url", f"{tar.name}#{sample.key}"),
                              meta.get("license", ""), meta.get("nsfw", ""))
                )  # fmt: skip
    return items, rejected


def _parts(file: Any, sample: TarSample) -> dict[str, bytes]:
    """Read what is wanted of a sample in the order of its bytes: going back in a compressed tar begins at its start."""
    wanted = {kind: sample.parts[kind] for kind in (sample.images[0], "json", "txt") if kind in sample.parts}
    parts: dict[str, bytes] = {}
    for kind, member in sorted(wanted.items(), key=lambda item: item[1].start):
        file.seek(member.start)
        parts[kind] = file.read(member.size if kind == sample.images[0] else min(member.size, _LONGEST_TEXT))
    return parts


def _caption(path: Path) -> str:
    beside = path.with_suffix(".txt")
    return _caption_text(beside.read_bytes()[:_LONGEST_TEXT]) if beside.is_file() else ""


def _caption_text(data: bytes) -> str:
    """A caption is words for a search: a letter of another encoding is no reason to leave its image out."""
    try:
        return decode_text(data, "caption").strip()
    except SusxError:
        return data.decode("utf-8", "replace").strip()


def _metadata(data: bytes) -> dict[str, str]:
    try:
        values: Any = json.loads(data)
    except ValueError:
        return {}
    return (
        {
            str(k).lower(): str(v).encode("utf-8", "replace").decode()
            for k, v in values.items()
            if v is not None
        }
        if isinstance(values, dict)
        else {}
    )
