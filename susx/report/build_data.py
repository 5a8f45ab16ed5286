"""What a build made, as its report reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susx.datasets import TargetSplit
from susx.datasets.encoded_split import EncodedSplit
from susx.evaluation import Rejection
from susx.experiment.classify_splits import ClassifiedSplits
from susx.experiment.fit_trial import FitRecord
from susx.methods import Evidence
from susx.methods.state import Fitted
from susx.naming.text_classifier import TextClassifier
from susx.naming.words import Words
from susx.records import SupportRow
from susx.types import Digest, Json

__all__ = ["BuildMade", "BuildSettings"]


@dataclass(frozen=True)
class BuildSettings:
    """What was asked of a build.

    Attributes:
        dataset, title: name and title of the data set.
        classes: class names in label order.
        sources: of the images.
        evaluate: whether measuring was asked for.
        labelled: whether the data set has a reader of labelled images.
        labelled_images: val, test and, where the copy has no official splits, neither -> images.
        profile: of the profile, what is no matter of where the work is done.
        trials, headline: names of what was fitted, the reference first, and of what is packaged.
        notes: what a person is told.
        run: facts of the run that wrote the report: when, with which command, its stages.
    """

    dataset: str
    title: str
    classes: tuple[str, ...]
    sources: tuple[str, ...]
    evaluate: bool
    labelled: bool
    labelled_images: Mapping[str, int]
    profile: Mapping[str, Json]
    trials: tuple[str, ...]
    headline: str
    notes: tuple[str, ...]
    run: Mapping[str, Any]


@dataclass(frozen=True)
class BuildMade:
    """What came of it.

    Attributes:
        text: the text classifier.
        words: class -> what it is called, where a class has aliases or no name; None where none has.
        support: every candidate, kept or rejected.
        files: digest of an image -> its file.
        evidence: what methods were fitted on, the pool's statistics among it.
        rejection: what the pool tells of outsiders.
        fits: trial -> what is told of its fit.
        fitted: loads the fitted method of a trial.
        scores: trial -> its logits, where a test split is there.
        splits: the target's images as they were measured on.
        test_split: reads the test split as it is now, to show pictures of it.
        digests: of prompts, text classifier, support and splits.
        fit_digests: of each trial's fit.
    """

    text: TextClassifier
    words: Mapping[str, Words] | None
    support: Sequence[SupportRow]
    files: Mapping[Digest, Path]
    evidence: Evidence
    rejection: Rejection | None
    fits: Mapping[str, FitRecord]
    fitted: Callable[[str], Fitted]
    scores: Mapping[str, ClassifiedSplits]
    splits: Mapping[str, EncodedSplit]
    test_split: Callable[[], TargetSplit | None]
    digests: Mapping[str, Digest]
    fit_digests: Mapping[str, Digest]
