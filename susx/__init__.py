"""susx: name-only image classification with support sets and CLIP.

``label`` labels a folder of photographs by class names, ``build`` goes from class names to a classifier, ``load_classifier`` loads one, ``evaluate`` measures methods on features,
``FeatureClassifier`` fits and predicts on arrays.
A method is a subclass of ``Method``; what it may look at is ``Evidence``.
"""

from typing import TYPE_CHECKING

from susx.lazy_names import lazily

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
    "methods": (
        "Axis",
        "Evidence",
        "ImageFeatures",
        "LinearHead",
        "Method",
        "Need",
        "Run",
        "TextState",
        "known_methods",
    ),
    "api": ("Build", "build", "evaluate", "label", "load_classifier", "run_experiment"),
    "experiment.estimator": ("FeatureClassifier",),
    "features.feature_set": ("FeatureSet", "Split"),
    "labelling.labels": ("Labels",),
}

# Torch is imported when something is computed, not when susx is.
__getattr__ = lazily(__name__, _PLACES)
