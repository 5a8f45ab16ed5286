"""Measuring classifiers: pure functions on logits, labels and features."""

from susx.evaluation.ablation import (
    AccuracyCurve,
    AccuracyPlane,
    MethodFactory,
    accuracy_plane,
    support_size_curve,
    take_shots,
    term_ablation,
)
from susx.evaluation.calibration import (
    ReliabilityBins,
    calibrate,
    fit_temperature,
    probabilities,
    reliability,
)
from susx.evaluation.comparison import Comparison, compare, holm
from susx.evaluation.confidence import ClassConfidence, class_confidence
from susx.evaluation.confusion import ConfusionPair, confusion_matrix, confusion_pairs
from susx.evaluation.generalisation import columns_of
from susx.evaluation.interval import bootstrap_interval
from susx.evaluation.measure import Score, error_ranking, measure, measure_runs
from susx.evaluation.modality_gap import (
    CosineHistogram,
    centroid_gap,
    cosine_histograms,
    intra_modal_overlap,
    overlap,
)
from susx.evaluation.per_class import ClassGain, class_gains
from susx.evaluation.pooled import Pooled, over_draws, pooled_mean
from susx.evaluation.rejection_threshold import Rejection, estimate_rejection, names_a_class
from susx.evaluation.scores import class_accuracy, macro_f1, mean_per_class, top_k_correct

__all__ = [
    "AccuracyCurve",
    "AccuracyPlane",
    "ClassConfidence",
    "ClassGain",
    "Comparison",
    "ConfusionPair",
    "CosineHistogram",
    "MethodFactory",
    "Pooled",
    "Rejection",
    "ReliabilityBins",
    "Score",
    "accuracy_plane",
    "bootstrap_interval",
    "calibrate",
    "centroid_gap",
    "class_accuracy",
    "class_confidence",
    "class_gains",
    "columns_of",
    "compare",
    "confusion_matrix",
    "confusion_pairs",
    "cosine_histograms",
    "error_ranking",
    "estimate_rejection",
    "fit_temperature",
    "holm",
    "intra_modal_overlap",
    "macro_f1",
    "mean_per_class",
    "measure",
    "measure_runs",
    "names_a_class",
    "over_draws",
    "overlap",
    "pooled_mean",
    "probabilities",
    "reliability",
    "support_size_curve",
    "take_shots",
    "term_ablation",
    "top_k_correct",
]
