"""susx: name-only image classification with support sets and CLIP.

``label`` labels a folder of photographs by class names, ``build`` goes from class names to a classifier, ``load_classifier`` loads one, ``evaluate`` measures methods on features,
``FeatureClassifier`` fits and predicts on arrays.
A method is a subclass of ``Method``; what it may look at is ``Evidence``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from susx.api import Build, build, evaluate, label, load_classifier, run_experiment
    from susx.experiment.estimator import FeatureClassifier
    from susx.features.feature_set import FeatureSet, Split
    from susx.labelling.labels import Labels
    from susx.methods import (
        Axis,
        Evidence,
        ImageFeatures,
        LinearHead,
        Method,
        Need,
        Run,
        TextState,
        known_methods,
    )

__version__ = "0.1.0"

__all__ = [
    "Axis",
    "Build",
    "Evidence",
    "FeatureClassifier",
    "FeatureSet",
    "ImageFeatures",
    "Labels",
    "LinearHead",
    "Method",
    "Need",
    "Run",
    "Split",
    "TextState",
    "__version__",
    "build",
    "evaluate",
    "known_methods",
    "label",
    "load_classifier",
    "run_experiment",
]

_PLACES = {
    "susx.api": ("Build", "build", "evaluate", "label", "load_classifier", "run_experiment"),
    "susx.experiment.estimator": ("FeatureClassifier",),
    "susx.features.feature_set": ("FeatureSet", "Split"),
    "susx.labelling.labels": ("Labels",),
}


def __getattr__(name: str) -> Any:
    # Torch is imported when something is computed, not when susx is.
    import importlib

    if name not in __all__:
        raise AttributeError(f"module 'susx' has no attribute {name!r}")
    holder = next((module for module, names in _PLACES.items() if name in names), "susx.methods")
    return getattr(importlib.import_module(holder), name)
