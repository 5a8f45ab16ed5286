"""Bundles on the Hugging Face Hub: pushed with a card, fetched at one commit and checked as any folder is."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import susx
from susx.bundle.bundle_description import FILES, JSON, Description
from susx.bundle.bundle_folder import StoredBundle, read_bundle
from susx.errors import StoreError
from susx.hub import HubAddress, choose_licence, fetch, is_hub_address, upload
from susx.hub.cards import cell, table
from susx.store.disk import whole_folder

__all__ = ["ALL_FILES", "bundle_card", "locate_bundle", "pull_bundle", "push_bundle"]

logger = logging.getLogger(__name__)

ALL_FILES = FILES | {JSON}
_CARD = "README.md"


def locate_bundle(source: str | os.PathLike[str]) -> Path:
    """Return the folder of a bundle, fetched first where ``source`` is an address on the Hub.

    Raises:
        ConfigError, InputError, ServerError: see :func:`susx.hub.fetch`.
    """
    if not is_hub_address(source):
        return Path(source)
    fetched = fetch(HubAddress.parse(str(source), "model"), ALL_FILES.__contains__)
    logger.info("%s is %s", source, fetched.address)
    return fetched.folder


def push_bundle(
    folder: Path, address: str, *, licence: str | None = None, private: bool = True
) -> HubAddress:
    """Push a bundle in one commit and return the address of that commit.

    Raises:
        ConfigError, InputError, ServerError, DamagedArtefact: see :func:`susx.hub.upload` and ``choose_licence``; nothing was pushed.
    """
    target = HubAddress.parse(address, "model")
    stored = read_bundle(folder)
    told = stored.description
    card = bundle_card(stored, target, choose_licence(licence, stored.rows))
    files: dict[str, Path | bytes] = {name: stored.folder / name for name in (JSON, *told.files)}
    files[_CARD] = card.encode()
    return upload(
        target, files, replaces=lambda names: JSON in names, private=private,
        message=f"Bundle of {told.method.name}, {len(told.class_names)} classes",
    )  # fmt: skip


def pull_bundle(address: str, out: Path) -> HubAddress | None:
    """Copy a bundle of the Hub to a folder, whole and checked, and return its pinned address; None where the repository holds a classifier.

    Raises:
        StoreError: ``out`` exists or cannot be written.
        ConfigError, InputError, ServerError, DamagedArtefact: as fetching and reading; ``out`` is not made.
    """
    if out.exists():
        raise StoreError(f"{out} exists; give a new folder to pull to.")
    fetched = fetch(HubAddress.parse(address, "model"), (ALL_FILES | {_CARD, "classifier.json"}).__contains__)
    if JSON not in fetched.files:
        return None
    try:
        with whole_folder(out) as partial:
            fetched.copy(partial)
            read_bundle(partial)
    except OSError as error:
        raise StoreError(f"The bundle cannot be written to {out}: {error}.") from error
    return fetched.address


def bundle_card(stored: StoredBundle, address: HubAddress, licence: str) -> str:
    """Return the model card: metadata in the Hub's form, how to use the bundle, and what it is made of."""
    from huggingface_hub import ModelCard, ModelCardData

    told: Description = stored.description
    data = ModelCardData(
        license=licence, library_name="susx", pipeline_tag="image-classification",
        tags=["susx", "onnx", "name-only", told.method.name], model_name=address.repository.split("/")[1],
    )  # fmt: skip
    parts = [
        f"# {cell(told.dataset or address.repository.split('/')[1])}",
        f"An image classifier of {len(told.class_names)} classes made from their names by susx {susx.__version__}, as a bundle that needs no torch.",
        f"```console\n$ pip install susx\n$ susx predict --bundle {address} photos/\n$ susx serve --bundle {address}\n```",
        table(["", ""], [
            ["encoder", f"{told.encoder.id.model} {told.encoder.pretrained} (sha256 {told.encoder.id.digest[:12]})"],
            ["prompts", told.prompts or "not stated"],
            ["method", told.method.sentence],
            ["calibrated on", f"{told.calibration.on or 'nothing'} (temperature {told.calibration.temperature:.4g})"],
            ["numbers", told.quantised.sentence if told.quantised else "single precision"],
            ["checked", told.checked],
        ]),
        *(f"> {cell(note)}" for note in told.notes),
        "## Licences of what it was made of",
        "\n".join(f"* {cell(note)}" for note in told.licences) or "Not stated.",
        "## Classes",
        ", ".join(cell(name) for name in told.class_names),
    ]  # fmt: skip
    body = "\n\n".join(part for part in parts if part)
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{body}\n"))
