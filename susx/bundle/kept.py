"""Bundles of classifiers that were asked to run on onnxruntime: exported once, and kept in the user's cache."""

from __future__ import annotations

import os
from pathlib import Path

from susx.bundle.bundle_description import FORMAT, JSON
from susx.bundle.write_bundle import export_bundle
from susx.classifier.classifier import Classifier
from susx.classifier.classifier_description import read_description
from susx.classifier.classifier_folder import read_classifier
from susx.classifier.classifier_hub import locate_classifier
from susx.store.user_cache import user_cache

__all__ = ["kept_bundle"]


def kept_bundle(classifier: str | os.PathLike[str]) -> Path:
    """Return the folder of a classifier's bundle, exported where there is none yet.

    Raises:
        SusxError: the classifier cannot be read or exported.
    """
    folder = locate_classifier(classifier)
    bundle = user_cache() / "bundles" / f"{read_description(folder).digest}-{FORMAT}"
    if not (bundle / JSON).is_file():
        export_bundle(Classifier(read_classifier(folder), device="cpu"), bundle)
    return bundle
