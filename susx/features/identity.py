"""Which encoder a configuration means, found without importing torch.

The identity (architecture, digest of the weights, precision) goes into every key that depends on features, so a
changed weights file makes features stale and a changed device or batch size does not.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susx.config import EncoderConfig
from susx.encoder_id import EncoderId
from susx.errors import ModelError, did_you_mean
from susx.features.checkpoint_kinds import explain_folder
from susx.features.open_clip_import import import_open_clip
from susx.features.open_clip_settings import is_path, weight_settings
from susx.features.weights_download import announce_weights
from susx.store import FileDigests, digest_json

__all__ = ["BLIP", "TCL", "LocatedEncoder", "identify_encoder", "is_embedded"]

_EMBEDDED = ("susx-tiny", "susx-tiny-clip")
"""Names of the embedded tiny CLIP in a profile: a short one, and that of its architecture."""

BLIP = "blip"
"""Name of transformers' BLIP retrieval model in a profile; ``encoder.pretrained`` is its folder."""

TCL = "tcl"
"""Name of TCL in a profile; ``encoder.pretrained`` is a folder with its checkpoint and BERT's ``vocab.txt``."""

_FOLDERS = {
    BLIP: ("config.json", "folder of a BLIP retrieval model's weights as transformers saves it"),
    TCL: ("vocab.txt", "folder of TCL's weights: its checkpoint and vocab.txt of bert-base-uncased"),
}
"""Encoders that are a folder: a file that tells it from others, and what to call it."""

_file_digests = FileDigests()


@dataclass(frozen=True)
class LocatedEncoder:
    """An encoder that is present on this machine.

    Attributes:
        id: which it is.
        weights: local checkpoint file, or folder of BLIP or TCL.
    """

    id: EncoderId
    weights: Path


def is_embedded(model: str) -> bool:
    """Whether a profile's ``encoder.model`` means the embedded tiny CLIP."""
    return model in _EMBEDDED


def identify_encoder(config: EncoderConfig) -> LocatedEncoder:
    """Find the weights of an encoder, fetching them where open_clip can, and fingerprint them.

    Raises:
        ModelError: unknown architecture, or weights that are not there and cannot be fetched.
    """
    if is_embedded(config.model):
        from susx.demo.embedded_encoder import FOLDER, NAME, WEIGHTS

        if not WEIGHTS.is_file():
            raise ModelError(f"The embedded encoder's weights are not at {WEIGHTS}. Install susx again.")
        files = {path.name: _file_digests(path) for path in sorted(FOLDER.iterdir()) if path.is_file()}
        return LocatedEncoder(EncoderId(NAME, digest_json(files), config.precision), WEIGHTS)
    if config.model in _FOLDERS:
        file, what = _FOLDERS[config.model]
        folder = Path(config.pretrained).expanduser()
        if not config.pretrained or not folder.is_dir() or not (folder / file).is_file():
            raise ModelError(
                f"The encoder '{config.model}' asks for the {what}, and there is none at '{config.pretrained}'. "
                "Give its path as encoder.pretrained."
            )
        files = {path.name: _file_digests(path) for path in sorted(folder.iterdir()) if path.is_file()}
        return LocatedEncoder(EncoderId(config.model, digest_json(files), config.precision), folder)
    weights = _locate(config.model, config.pretrained)
    facts = {"model": config.model, "weights": _file_digests(weights)}
    facts |= weight_settings(config.model, config.pretrained, weights).as_json()
    if is_path(config.pretrained):
        # The same file without its tag was once shown images as CLIP's is: features of then are not features of now.
        facts["pixels"] = "of the architecture"
    digest = digest_json(facts)
    return LocatedEncoder(EncoderId(config.model, digest, config.precision), weights)


def _locate(model: str, pretrained: str) -> Path:
    if is_path(pretrained):
        path = Path(pretrained).expanduser()
        if path.is_dir():
            what = explain_folder(path)
            raise ModelError(
                f"The encoder '{model}' asks for the checkpoint {path}, which is a folder. {what}"
            )
        if not path.is_file():
            raise ModelError(
                f"The encoder '{model}' asks for the checkpoint {path}, which is not there. Give the path of an "
                "open_clip checkpoint (.safetensors, .pt, .bin) as encoder.pretrained, or a tag that open_clip knows."
            )
        return path
    path = _cached(model, pretrained)
    if not path.is_file():  # removed from open_clip's cache since
        _cached.cache_clear()
        path = _cached(model, pretrained)
    return path


@functools.lru_cache(maxsize=16)
def _cached(model: str, pretrained: str) -> Path:
    """Return where open_clip keeps the weights of a tag; asked for once a process, as it may ask the network."""
    open_clip = import_open_clip()
    from open_clip.pretrained import download_pretrained, download_pretrained_from_hf

    if model.startswith("hf-hub:"):
        repository = model[len("hf-hub:") :]
        return _fetch(
            model, "", {"hf_hub": f"{repository}/"}, lambda: download_pretrained_from_hf(repository)
        )
    if open_clip.get_model_config(model) is None:
        raise ModelError(
            f"open_clip knows no architecture '{model}'.{did_you_mean(model, open_clip.list_models())} "
            "Set encoder.model to one of open_clip.list_models(), or to 'hf-hub:<organisation>/<model>'."
        )
    published = open_clip.get_pretrained_cfg(model, pretrained)
    if not published:
        from open_clip.pretrained import list_pretrained_tags_by_model

        tags = ", ".join(list_pretrained_tags_by_model(model)) or "none"
        raise ModelError(
            f"'{pretrained}' is neither a file nor a set of weights that open_clip knows for '{model}' (known: {tags})."
        )
    return _fetch(
        model,
        pretrained,
        published,
        lambda: download_pretrained(published),
    )


def _fetch(model: str, pretrained: str, published: Mapping[str, Any], fetch: Callable[[], str]) -> Path:
    name = f"{model} / {pretrained}" if pretrained else model
    where = published.get("hf_hub") or published.get("url") or "?"
    try:
        with _offline_when_unreachable():
            announce_weights(name, published)
            path = fetch()
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"The weights of the encoder {name} could not be had: looked in open_clip's cache on this machine and at "
            f"{where} ({type(error).__name__}: {reason}). Connect to the network once so that they are cached, or "
            "set encoder.pretrained to the path of a checkpoint, or use the embedded models (--profile demo)."
        ) from error
    if not path or not Path(path).is_file():
        raise ModelError(
            f"The weights of the encoder {name} could not be had from {where}: no file came back."
        )
    return Path(path)


@contextlib.contextmanager
def _offline_when_unreachable() -> Iterator[None]:
    """Let the hub's client answer from its cache at once where the hub's name does not even resolve.

    Its own retries would take most of a minute and fill the terminal before saying the same.
    """
    from urllib.parse import urlparse

    from huggingface_hub import constants

    client_log = logging.getLogger("huggingface_hub")
    level, was_offline = client_log.level, constants.HF_HUB_OFFLINE
    try:
        socket.getaddrinfo(urlparse(constants.ENDPOINT).hostname, 443)
    except OSError:
        constants.HF_HUB_OFFLINE = True
    client_log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = was_offline
        client_log.setLevel(level)
