"""From what a build made to what its report draws."""

from __future__ import annotations

import functools
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import susx
from susx.datasets import TargetSplit
from susx.datasets.encoded_split import EncodedSplit
from susx.errors import SusxError
from susx.evaluation import compare
from susx.experiment.fit_trial import FitRecord
from susx.experiment.of_build import labelled_features
from susx.images.inspect import perceptual_hash
from susx.images.support.credits import short_classes
from susx.methods import find_method
from susx.methods.access import Access, seen_by, sorted_access
from susx.report.build_data import BuildMade, BuildSettings
from susx.report.build_figures import figures
from susx.report.model import (
    ClassWords,
    MethodRow,
    QueryImage,
    ReportData,
    RunIdentity,
    StageRow,
    SupportImage,
)
from susx.report.purity import purity, purity_sentence
from susx.report.report_rows import confidence, measured_row

__all__ = ["report_data"]


def report_data(asked: BuildSettings, made: BuildMade) -> ReportData:
    """Collect identity, accuracies, stages, figures and support images of a build."""
    profile, run = asked.profile, asked.run
    encoder = profile["encoder"]
    identity = RunIdentity(
        dataset=asked.dataset, mode=" + ".join(asked.sources), profile=profile["name"],
        encoder=" / ".join(filter(None, (encoder["model"], encoder["pretrained"]))), command=run["command"],
        seed=profile["seed"], version=susx.__version__,
        started=run["started"], libraries=run["libraries"],
        title=asked.title, toy=profile["toy"], digests=made.digests,
    )  # fmt: skip
    rows = _methods(asked, made)
    sure = confidence(made.evidence, asked.classes, made.fits[asked.headline].packaged.class_trust)
    pure = purity(made.support, made.evidence, asked.classes, sure)
    test_image = _TestImages(made.test_split, made.splits["test"]) if rows else None
    return ReportData(
        run=identity,
        packaged=made.fits[asked.headline].packaged,
        labelled_images=asked.labelled_images,
        classes=asked.classes,
        methods=rows,
        stages=tuple(
            StageRow(s["stage"], s["computed"], s["cached"], s["seconds"], s["start"])
            for s in run.get("stages", ())
        ),
        confidence=sure,
        purity=pure,
        support=tuple(
            SupportImage(row, made.files[row.digest] if row.file else None) for row in made.support
        ),
        words=tuple(_words(asked.classes, made)),
        words_gain=_words_gain(asked.classes, made),
        no_accuracy="" if rows else _why_no_accuracy(asked.evaluate, asked.labelled),
        notes=(
            *asked.notes,
            *_contradicted(made, _used(asked, made)),
            *_short(asked, made),
            *filter(None, [purity_sentence(pure)]),
            *_notes(rows, {name: split.unreadable for name, split in made.splits.items()}),
        ),
        **(figures(asked, made, rows, test_image) if test_image else {}),
    )


def _methods(asked: BuildSettings, made: BuildMade) -> tuple[MethodRow, ...]:
    """Return a row per trial that was measured, in the order of the trials: the reference first."""
    profile, rows, reference = asked.profile, [], None
    for name in asked.trials:
        if name not in made.scores:
            continue
        fit, scores = made.fits[name], made.scores[name]
        rows.append(
            measured_row(
                scores.test, scores.test_labels, prompts=profile["prompts"]["classify"],
                source=" + ".join(asked.sources) if fit.uses_support else "names only",
                encoder=profile["encoder"]["model"], method=fit.method, title=fit.title,
                tuning=fit.tuning, access=_access(fit, made), hyper_parameters=_shown(fit.hyper_parameters),
                is_zero_shot=fit.packaged.is_zero_shot, zero_shot=reference, seed=profile["seed"], version=susx.__version__,
                held_out=scores.held_out,
                digests={"classifier": made.fit_digests[name], "support": made.digests["support"]},
            )
        )  # fmt: skip
        if reference is None:
            reference = scores.test
    return tuple(rows)


def _access(fit: FitRecord, made: BuildMade) -> tuple[Access, ...]:
    """Return what a fit looked at."""
    seen = set(seen_by(find_method(fit.method), made.evidence, fit.tuning))
    return sorted_access(seen | {"validation"} if fit.tuning == "val" else seen)


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out switches that are off: they are the rule."""
    return {name: value for name, value in values.items() if value is not False and value is not None}


def _words(classes: Sequence[str], made: BuildMade) -> Iterator[ClassWords]:
    for name in classes:
        if (chosen := (made.words or {}).get(name)) is not None:
            yield ClassWords(name, chosen.name, chosen.counts, chosen.captions, chosen.sentences)


def _words_gain(classes: Sequence[str], made: BuildMade) -> str:
    """Say what the words did to zero-shot accuracy, where the target's labelled images tell."""
    text = made.text.of(classes)
    if text.by_own_name is None:
        return "" if made.words is None else "None of them changed a sentence."
    if "test" not in made.splits:
        return ""
    features, labels = labelled_features(made.splits["test"], classes)
    before, now = (
        (features.pooled @ rows.T).argmax(dim=1) == labels for rows in (text.by_own_name, text.rows)
    )
    change = compare(before, now)
    low, high = (f"{100 * end:+.1f}" for end in (change.low, change.high))
    return (
        f"Zero-shot on {len(labels):,} test images: {100 * float(before.float().mean()):.1f} % with the names as given, "
        f"{100 * float(now.float().mean()):.1f} % with these words ({100 * change.gain:+.1f} points, 95 % interval {low} to {high})."
    )


_MOST_SHORT = 8
"""Classes named that a filter of licences leaves short."""


def _short(asked: BuildSettings, made: BuildMade) -> Iterator[str]:
    """Name the classes that have fewer images than were wanted, where a filter of licences was set."""
    licences = asked.profile["retrieval"].get("licence")
    if not licences or "retrieve" not in asked.sources:
        return
    sentences = short_classes(made.support, asked.classes, asked.profile["per_class"])
    if sentences:
        more = (
            f" {len(sentences) - _MOST_SHORT} more classes are short." if len(sentences) > _MOST_SHORT else ""
        )
        yield (
            f"Only images under {', '.join(licences)} were taken, which leaves {len(sentences)} classes short. "
            f"{' '.join(sentences[:_MOST_SHORT])}{more}"
        )


def _used(asked: BuildSettings, made: BuildMade) -> str:
    """Say whether the classifier that is packaged looks at examples."""
    fit = made.fits[asked.headline]
    if fit.uses_support and not fit.packaged.is_zero_shot:
        return "They are used"
    return "The classifier packaged is zero-shot and does not look at them"


def _contradicted(made: BuildMade, used: str) -> Iterator[str]:
    """Name classes most of whose examples are more like the text of one other class than like their own, and what becomes of them."""
    evidence = made.evidence
    kept = [row for row in made.support if row.kept]
    provided = [at for at, row in enumerate(kept) if row.origin == "provided"]
    if not provided or evidence.support_features is None or evidence.class_names is None:
        return
    nearest = (evidence.support_features[provided] @ evidence.text_classifier.T).argmax(dim=1).tolist()
    votes_of: dict[str, Counter[str]] = {}
    for at, column in zip(provided, nearest, strict=True):
        votes_of.setdefault(kept[at].class_name, Counter())[evidence.class_names[column]] += 1
    for name, votes in votes_of.items():
        rival, count = votes.most_common(1)[0]
        if rival != name and 2 * count > votes.total():
            yield (
                f"The examples of '{name}' contradict its name: {count} of {votes.total()} look more like '{rival}'. {used}; see "
                "that they lie in the right folder."
            )


class _TestImages:
    """Test images as PNG bytes, to be shown beside a confusion: those that were measured, or none."""

    def __init__(self, read: Callable[[], TargetSplit | None], measured: EncodedSplit) -> None:
        self.read, self.measured = read, measured

    @functools.cached_property
    def split(self) -> TargetSplit | None:
        """The split as it is now; its order may be another than when it was measured."""
        return self.read()

    @functools.cached_property
    def place(self) -> dict[str, int]:
        """Name -> place in the split."""
        return {} if self.split is None else {name: at for at, name in enumerate(self.split.names)}

    def __call__(self, row: int) -> QueryImage:
        """Return the image of one row of the measured features; without a picture where it cannot be had, or is another."""
        name = self.measured.names[row]
        if self.split is None or name not in self.place:
            return QueryImage(None, name)
        try:
            image = self.split.image(self.place[name])
        except (OSError, SusxError):
            return QueryImage(None, name)
        if perceptual_hash(image) != self.measured.hashes[row]:
            return QueryImage(None, name)
        image.thumbnail((128, 128))
        data = io.BytesIO()
        image.save(data, format="PNG")
        return QueryImage(data.getvalue(), name)


def _why_no_accuracy(asked: bool, labelled: bool) -> str:
    if not asked:
        return "Measuring was switched off (--no-evaluate)."
    if not labelled:
        return (
            "The data set has no labelled images to measure on; add a reader of some to its YAML to measure."
        )
    return "The target's test images are not on this machine; give their folder with --data-root to measure."


def _notes(rows: Sequence[MethodRow], unreadable: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for split, reasons in unreadable.items():
        if reasons:
            shown = ", ".join([*reasons][:5]) + (", ..." if len(reasons) > 5 else "")
            yield f"{len(reasons)} image(s) of the {split} split cannot be decoded and are left out: {shown}."
    if any(row.tuning == "val" for row in rows):
        yield (
            "Rows tuned on val used the target's labelled validation images and are not name-only; rows tuned on support "
            "or fixed used class names alone. Temperatures are fitted on the validation split, never on test."
        )
