"""What a download of an encoder's weights is, told before it starts: from where, how large, under which licence."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

__all__ = ["announce_weights"]

logger = logging.getLogger(__name__)

_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")
_TIMEOUT = 5.0
"""Seconds to wait for what the publisher says of the file."""


def announce_weights(encoder: str, published: Mapping[str, Any]) -> None:
    """Say what open_clip is about to download; nothing where the weights are on this machine.

    Args:
        encoder: its name, for people.
        published: open_clip's entry: ``hf_hub`` (``owner/name/`` or with a file), which it prefers, or ``url``.
    """
    repository, file = os.path.split(str(published.get("hf_hub") or ""))
    link = str(published.get("url") or "")
    if repository:
        if not _in_hub_cache(repository):
            size, licence = _told_by_hub(repository, file)
            _say(encoder, f"huggingface.co/{repository}", size, licence)
    elif link and not (Path("~/.cache/clip").expanduser() / os.path.basename(link)).is_file():
        _say(encoder, urlsplit(link).netloc, _length(link), None)


def _say(encoder: str, origin: str, size: int | None, licence: str | None) -> None:
    logger.warning(
        "The weights of the encoder %s are not on this machine: they are downloaded now from %s (%s; licence: %s).",
        encoder, origin, f"{size / 1e6:,.0f} MB" if size else "size not told", licence or "not told, see there",
    )  # fmt: skip


def _in_hub_cache(repository: str) -> bool:
    from huggingface_hub import constants

    cache = Path(os.environ.get("HF_HUB_CACHE") or constants.HF_HUB_CACHE)
    snapshots = cache / f"models--{repository.replace('/', '--')}" / "snapshots"
    return any(path.suffix in _WEIGHTS for path in snapshots.glob("*/*"))


def _told_by_hub(repository: str, file: str) -> tuple[int | None, str | None]:
    """Return bytes and licence of the file that open_clip takes: safetensors where there are any."""
    from huggingface_hub import HfApi, constants

    try:
        endpoint = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
        told = HfApi(endpoint=endpoint).model_info(repository, files_metadata=True, timeout=_TIMEOUT)
    except Exception:  # of as many kinds as there are networks; the download says what is wrong
        return None, None
    sizes = {one.rfilename: one.size for one in told.siblings or () if one.rfilename.endswith(_WEIGHTS)}
    order = sorted(
        sizes,
        key=lambda name: (not name.endswith(".safetensors"), "open_clip" not in name, name != file, name),
    )
    licence = told.card_data.get("license") if told.card_data else None
    return (sizes[order[0]] if order else None), str(licence) if licence else None


def _length(link: str) -> int | None:
    import requests

    try:
        with requests.head(link, timeout=_TIMEOUT, allow_redirects=True) as response:
            length = response.headers.get("Content-Length", "") if response.ok else ""
    except requests.RequestException:
        return None
    return int(length) if length.isdecimal() else None
