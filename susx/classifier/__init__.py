"""The classifier as a product: saved, loaded, asked, exported and served."""

from susx.classifier.artefact import ClassifierFacts, StoredClassifier, save_classifier
from susx.classifier.classifier import Classifier, Neighbour, Prediction, Scored, load_classifier
from susx.classifier.read import read_classifier

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
