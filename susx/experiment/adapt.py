"""Labelled images of any kind into adapters of an encoder: what ``susx adapt`` does."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from susx.config import DatasetConfig, EncoderConfig, ReaderConfig
from susx.datasets import ReadableImages
from susx.datasets.describe import describe_folder, split_folders
from susx.datasets.readers.imagefolder import read_imagefolder
from susx.errors import InputError
from susx.features.encoder import load_encoder
from susx.features.imo_training import RECIPE, imo_train
from susx.methods import Run
from susx.methods.adapters import Adapters

__all__ = ["adapt_folder"]


def adapt_folder(
    folder: Path, encoder: EncoderConfig, out: Path, *, epochs: int = RECIPE.epochs, run: Run = Run()
) -> tuple[Adapters, Mapping[str, str]]:
    """Train adapters on a folder with one folder of images per class, or on the ``train`` of a folder of splits.

    The classes should be none that the adapters are used on, or a measurement on those is no measurement.

    Args:
        folder: class folders, or folders of splits with class folders.
        encoder: whose visual blocks are adapted; a vision transformer.
        out: file of the adapters; the record is written beside it.
        epochs: passes over the images; 1 is published.
        run: seed, folder of checkpoints, progress.

    Returns:
        The adapters, and name -> reason of every image that cannot be decoded and is left out.

    Raises:
        ConfigError: the folder holds no class folders.
        InputError: no images, one class, too many that cannot be decoded, or an encoder without the blocks.
        TrainingError: the loss is not finite.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; expected one folder of images per class.")
    config = DatasetConfig.model_validate({"name": "generic", **describe_folder(folder)})
    splits = split_folders(folder)
    if splits and "train" not in splits:
        raise InputError(
            f"{folder} holds the splits {', '.join(splits)} and no train. Adapters are trained on train: give a folder with it, or "
            "one folder of images per class."
        )
    below = splits["train"] if splits else "."
    reader = ReaderConfig(kind="imagefolder", folder=".", options={"test": below})
    images = read_imagefolder(config, reader, folder, "test")
    if images is None or not len(images):
        raise InputError(f"{folder} holds no images in its class folders.")
    readable = ReadableImages(images)
    for _ in readable:  # decoded once to know which can be
        pass
    places = readable.places
    adapters = imo_train(
        load_encoder(encoder), lambda at: images.image(places[at]), [images.labels[row] for row in places], out,
        recipe=dataclasses.replace(RECIPE, epochs=epochs), run=run, source=folder.name,
    )  # fmt: skip
    return adapters, readable.unreadable
