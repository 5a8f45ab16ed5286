"""A folder of images into features that methods are measured on: prompts and splits under one encoder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from susx.config import DatasetConfig, ProfileConfig, ReaderConfig
from susx.datasets import ReadableImages
from susx.datasets.describe import describe_folder, split_folders
from susx.datasets.readers.imagefolder import read_imagefolder
from susx.errors import InputError
from susx.features.encoder import load_encoder
from susx.features.feature_set import FeatureSet, Split
from susx.naming import classifier_sentences, without_sentences
from susx.naming.text_classifier import classifier_from_sentences

__all__ = ["encode_folder"]


def encode_folder(
    folder: Path, profile: ProfileConfig, dataset: DatasetConfig | None = None
) -> tuple[FeatureSet, Mapping[str, str]]:
    """Encode a folder with one folder of images per class; those of a folder ``train`` are the support, ``val`` and ``test``
    what they say, and a folder without splits is the test split.

    Args:
        folder: class folders, or folders of splits with class folders.
        profile: encoder and prompts.
        dataset: classes, their order, their prompts; None: the folders' names in their order.

    Returns:
        The features, and name -> reason of every image that cannot be decoded and is left out.

    Raises:
        ConfigError: the folder holds no class folders, or one that leads to no class of ``dataset``.
        InputError: no images, or too many that cannot be decoded.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; expected one folder of images per class.")
    config = dataset or DatasetConfig.model_validate({"name": "folder", **describe_folder(folder)})
    class_map = config.readers[0].class_map if config.readers else {}
    encoder = load_encoder(profile.encoder)
    unreadable: dict[str, str] = {}
    splits: dict[str, Split] = {}
    for split, below in (split_folders(folder) or {"test": "."}).items():
        reader = ReaderConfig(kind="imagefolder", folder=".", class_map=class_map, options={"test": below})
        images = read_imagefolder(config, reader, folder, "test")
        if images is None or not len(images):
            continue
        readable = ReadableImages(images)
        rows = encoder.encode_images(readable)
        unreadable |= readable.unreadable
        splits[split] = Split(rows, torch.tensor([images.labels[row] for row in readable.places]))
    if not splits:
        raise InputError(f"{folder} holds no images in its class folders.")
    prompts, _ = without_sentences(profile.prompts, config)
    sentences = {
        name: encoder.encode_texts(classifier_sentences(prompts, config, name)) for name in config.classes
    }
    features = FeatureSet(
        config.classes, classifier_from_sentences(sentences), encoder.logit_scale, source=str(folder), encoder=encoder.identity,
        support=splits.get("train"), validation=splits.get("val"), test=splits.get("test"),
    )  # fmt: skip
    return features, unreadable
