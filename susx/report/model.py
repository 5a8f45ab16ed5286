"""What a report is made of: plain values, filled by a stage from artefacts, drawn by ``write_report``.

Accuracies, intervals, rates and errors are fractions in [0, 1]; times are seconds. ``None`` means "not measured" and is
shown as a dash, never as zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from susx.evaluation.measure import Score
from susx.methods.packaged import Packaged
from susx.records import SupportRow
from susx.report.figure_data import Bars, ClassChange, Curve, Histogram, Plane, Reliability
from susx.report.thumbnails import ImageSource
from susx.types import Digest

__all__ = [
    "ClassCount",
    "ClassWords",
    "Confidence",
    "Confusion",
    "ImageSource",
    "MethodRow",
    "PublishedNumber",
    "Purity",
    "QueryImage",
    "ReportData",
    "RunIdentity",
    "StageRow",
    "SupportImage",
]


@dataclass(frozen=True)
class RunIdentity:
    """Which run this is and how to do it again.

    Attributes:
        dataset, title: name and human title of the data set.
        mode: generate or retrieve.
        profile, encoder: names of the profile and of the encoder (model and pretrained tag).
        command: the exact command line, ready to be pasted into a shell.
        seed: root seed of the run.
        version: version of susx, with the commit where it is known.
        started: ISO 8601 time of the run's start.
        digests: name -> sha256 of what the numbers depend on (encoder weights, prompts, support, features ...).
        libraries: name -> version of the libraries used.
        toy: whether the models are the embedded toy ones; a banner says so on every page.
        banner: the words of the banner ("" for the standard ones).
    """

    dataset: str
    mode: str
    profile: str
    encoder: str
    command: str
    seed: int
    version: str
    started: str
    title: str = ""
    digests: Mapping[str, Digest] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    toy: bool = False
    banner: str = ""


@dataclass(frozen=True)
class MethodRow(Score):
    """One measured combination: prompts x source x encoder x method x tuning protocol, with what ``Score`` holds.

    Attributes:
        prompts, source, encoder, method, tuning: the five axes (``tuning`` is fixed, support, val, or "" for a method
            without hyper-parameters).
        hyper_parameters: name -> chosen value.
        ece_after, temperature: expected calibration error after temperature scaling.
        calibration_images: labelled images there were to fit the temperature on; too few fit none.
        version, digests: provenance of this row (with ``seed``), where it differs from the run's or stands on its own.
        title: how papers write the method's name.
        reference: whether this is the row that gains are against.
        is_zero_shot: whether tuning left nothing of the method beyond the class prompts.
    """

    prompts: str
    source: str
    encoder: str
    method: str
    tuning: str = ""
    hyper_parameters: Mapping[str, float | int | str | bool] = field(default_factory=dict)
    ece_after: float | None = None
    temperature: float | None = None
    version: str = ""
    digests: Mapping[str, Digest] = field(default_factory=dict)
    title: str = ""
    reference: bool = False
    is_zero_shot: bool = False
    calibration_images: int = 0

    @property
    def label(self) -> str:
        """The method's title with its tuning protocol, as figures name it."""
        return f"{self.title or self.method} ({self.tuning})" if self.tuning else self.title or self.method


@dataclass(frozen=True)
class StageRow:
    """What one stage did: units computed and cached, seconds taken, seconds after the run's start."""

    stage: str
    computed: int
    cached: int
    seconds: float
    start: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class SupportImage:
    """One candidate support image: its record (provenance, fate) and its pixels."""

    row: SupportRow
    image: ImageSource = None


@dataclass(frozen=True)
class ClassCount:
    """Candidates of one class: how many were kept, by origin, and how many each rule rejected."""

    class_name: str
    origins: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        """Number of images kept."""
        return sum(self.origins.values())

    @property
    def rejected(self) -> int:
        """Number of images rejected."""
        return sum(self.reasons.values())


@dataclass(frozen=True)
class Confidence:
    """What the prompts say of the support images of a class: mean probability of its name, of its strongest rival's.

    Attributes:
        trust: how far the packaged method trusts these images, 0 to 1; None where it says nothing of them.
    """

    class_name: str
    confidence: float
    rival: str = ""
    rival_confidence: float = 0.0
    trust: float | None = None


@dataclass(frozen=True)
class Purity:
    """How pure the retrieved images of a class came out, as far as that can be said without labels.

    Attributes:
        kept, fetched: images that became support, of how many that were had and decoded or refused by their look.
        similarity: mean cosine of the kept ones and the text of the class.
        confidence: mean probability that the prompts give them its name.
        trust: how far the packaged method trusts them; None where it says nothing of them.
    """

    class_name: str
    kept: int
    fetched: int
    similarity: float | None = None
    confidence: float | None = None
    trust: float | None = None


@dataclass(frozen=True)
class ClassWords:
    """What was said of a class in place of its name.

    Attributes:
        class_name, called: its name, and the word that was used.
        counts: captions of the pool that hold each of its names, its own first.
        captions: how many captions were looked at.
        sentences: captions that describe a class without a name.
    """

    class_name: str
    called: str
    counts: Mapping[str, int] = field(default_factory=dict)
    captions: int = 0
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class QueryImage:
    """One test image beside a confusion; ``confidence`` is the probability of the predicted class."""

    image: ImageSource
    name: str = ""
    confidence: float | None = None


@dataclass(frozen=True)
class Confusion:
    """``count`` of the ``total`` test images of class ``true`` were called ``predicted``."""

    true: str
    predicted: str
    count: int
    total: int
    images: tuple[QueryImage, ...] = ()


@dataclass(frozen=True)
class PublishedNumber:
    """A number measured by other people; ``value`` is a fraction, ``source`` says whose it is."""

    dataset: str
    backbone: str
    method: str
    value: float
    source: str
    setting: str = ""


@dataclass(frozen=True)
class ReportData:
    """Everything ``write_report`` draws. Empty parts are left out or explained, never invented.

    Attributes:
        no_accuracy: one sentence on why there are no accuracies (no labelled test split ...), "" when there are.
        packaged: the method of the classifier, None where nothing was packaged.
        labelled_images: val, test and, without official splits, neither -> number of images; empty where there are none.
        headline: index into ``methods`` of the row to show on top; None takes the first measured row. Never the best
            one: that would be choosing on test labels.
        counts: per class, in label order; made from ``support`` when empty.
        confusion_matrix: (true, predicted, images) of the headline as places in ``classes``, where there are images.
        confidence: per class with support, in label order: all that is known of quality where nothing is labelled.
        purity: per class with retrieved images, in label order.
        words: of classes with aliases or without a name.
        words_gain: one sentence on what the words did to zero-shot accuracy, "" where that was not measured.
        published: reference numbers; None looks the data set up in the shipped file.
        notes: sentences to be shown with the results (limits, warnings, what was left out).
    """

    run: RunIdentity
    classes: tuple[str, ...]
    packaged: Packaged | None = None
    labelled_images: Mapping[str, int] = field(default_factory=dict)
    methods: tuple[MethodRow, ...] = ()
    stages: tuple[StageRow, ...] = ()
    support: tuple[SupportImage, ...] = ()
    counts: tuple[ClassCount, ...] = ()
    confidence: tuple[Confidence, ...] = ()
    purity: tuple[Purity, ...] = ()
    words: tuple[ClassWords, ...] = ()
    words_gain: str = ""
    confusions: tuple[Confusion, ...] = ()
    confusion_matrix: tuple[tuple[int, int, int], ...] = ()
    changes: tuple[ClassChange, ...] = ()
    histograms: tuple[Histogram, ...] = ()
    reliability: tuple[Reliability, ...] = ()
    curves: tuple[Curve, ...] = ()
    planes: tuple[Plane, ...] = ()
    bars: tuple[Bars, ...] = ()
    published: tuple[PublishedNumber, ...] | None = None
    headline: int | None = None
    no_accuracy: str = ""
    notes: tuple[str, ...] = ()

    def headline_row(self) -> MethodRow | None:
        """Return the row to show on top, None when nothing was measured."""
        if self.headline is not None:
            return self.methods[self.headline]
        return next((row for row in self.methods if row.top1 is not None), None)

    def zero_shot_row(self) -> MethodRow | None:
        """Return the measured reference of every gain."""
        return next((row for row in self.methods if row.reference and row.top1 is not None), None)
