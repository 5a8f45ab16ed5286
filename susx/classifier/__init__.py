"""The classifier as a product: saved, loaded, asked, exported and served."""

from typing import TYPE_CHECKING

from susx.lazy_names import lazily

if TYPE_CHECKING:
    from susx.classifier.artefact import StoredClassifier, save_classifier
    from susx.classifier.classifier import Classifier, load_classifier
    from susx.classifier.classifier_description import ClassifierFacts
    from susx.classifier.classifier_folder import read_classifier
    from susx.classifier.predictions import Neighbour, Prediction, Scored

__all__ = [
    "Classifier",
    "ClassifierFacts",
    "Neighbour",
    "Prediction",
    "Scored",
    "StoredClassifier",
    "load_classifier",
    "read_classifier",
    "save_classifier",
]

_PLACES = {
    "predictions": ("Neighbour", "Prediction", "Scored"),
    "artefact": ("StoredClassifier", "save_classifier"),
    "classifier_description": ("ClassifierFacts",),
    "classifier": ("Classifier", "load_classifier"),
    "classifier_folder": ("read_classifier",),
}

# A bundle is predicted with and served by modules of this package where there is no torch.
__getattr__ = lazily(__name__, _PLACES)
