"""From the artefacts of a build to what the report draws."""

from __future__ import annotations

import functools
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import susx
from susx.datasets import TargetSplit, read_split
from susx.errors import SusxError
from susx.evaluation import compare
from susx.images.inspect import perceptual_hash
from susx.images.support import read_support
from susx.methods import Evidence, find_method
from susx.methods.access import Access, seen_by, sorted_access
from susx.pipeline import (
    classify,
    curate,
    encode_images,
    fit,
    pool_statistics,
    prompts,
    target,
    text_classifier,
    words,
)
from susx.pipeline.evidence import load_evidence, load_target
from susx.pipeline.images import files_by_digest
from susx.pipeline.inputs import Artefacts
from susx.pipeline.report_figures import figures
from susx.pipeline.report_params import Reporting, ReportParams
from susx.report import ClassWords, MethodRow, QueryImage, ReportData, RunIdentity, StageRow, SupportImage
from susx.report.rows import confidence, measured_row
from susx.store import ArtefactStore, Job, Ref

__all__ = ["report_data"]


def report_data(job: Job, store: ArtefactStore) -> ReportData:
    """Collect identity, accuracies, stages, figures and support images of a build."""
    params, reporting, inputs = ReportParams.of(job), Reporting.of(job), Artefacts.of(job)
    profile, run = params.profile, reporting.run
    encoder = profile["encoder"]
    named = {"prompts": prompts.STAGE, "text": text_classifier.STAGE, "support": curate.STAGE}
    read = {**{name: inputs.one(stage) for name, stage in named.items()}, **inputs.all(target.STAGE)}
    identity = RunIdentity(
        dataset=params.dataset, mode=" + ".join(params.sources), profile=profile["name"],
        encoder=" / ".join(filter(None, (encoder["model"], encoder["pretrained"]))), command=run["command"],
        seed=profile["seed"], version=susx.__version__,
        started=run["started"], libraries=run["libraries"],
        title=params.title, toy=profile["toy"],
        digests={name: ref.digest for name, ref in read.items()},
    )  # fmt: skip
    split_labels = {split: target.read_labels(store, ref) for split, ref in inputs.all(target.STAGE).items()}
    evidence = load_evidence(
        store, inputs.one(text_classifier.STAGE), inputs.one(curate.STAGE), params.classes,
        pool=inputs.find(pool_statistics.STAGE),
    )  # fmt: skip
    rows = _methods(params, inputs, store, evidence)
    test_image = _TestImages(reporting, split_labels["test"]) if rows else None
    return ReportData(
        run=identity,
        packaged=fit.read_packaged(store, inputs.all(fit.STAGE)[params.headline]),
        labelled_images=params.labelled_images,
        classes=params.classes,
        methods=rows,
        stages=tuple(
            StageRow(s["stage"], s["computed"], s["cached"], s["seconds"], s["start"])
            for s in run.get("stages", ())
        ),
        confidence=confidence(evidence, params.classes),
        support=tuple(_support(inputs, store)),
        words=tuple(_words(params.classes, inputs, store)),
        words_gain=_words_gain(params.classes, inputs, store),
        no_accuracy="" if rows else _why_no_accuracy(params.evaluate, params.labelled),
        notes=(
            *params.notes,
            *_contradicted(evidence, inputs.one(curate.STAGE), _used(params, inputs, store), store),
            *_notes(rows, {split: labels["unreadable"] for split, labels in split_labels.items()}),
        ),
        **(figures(params, inputs, store, rows, evidence, test_image) if test_image else {}),
    )


def _methods(
    params: ReportParams, inputs: Artefacts, store: ArtefactStore, evidence: Evidence
) -> tuple[MethodRow, ...]:
    """Return a row per trial that was measured, in the order of the trials: the reference first."""
    from safetensors.torch import load_file

    profile, rows, reference = params.profile, [], None
    measured, classifiers = inputs.all(classify.STAGE), inputs.all(fit.STAGE)
    for name in params.trials:
        if name not in measured:
            continue
        classifier = classifiers[name]
        fitted = json.loads(store.path(classifier, fit.FACTS).read_text(encoding="utf-8"))
        logits = load_file(store.path(measured[name], classify.FILE))
        rows.append(
            measured_row(
                logits["test"], logits["test_labels"], prompts=profile["prompts"]["classify"],
                source=" + ".join(params.sources) if fitted["uses_support"] else "names only",
                encoder=profile["encoder"]["model"], method=fitted["method"], title=fitted["title"],
                tuning=fitted["tuning"], access=_access(fitted, evidence), hyper_parameters=_shown(fitted["hyper_parameters"]),
                is_zero_shot=fitted["is_zero_shot"], zero_shot=reference, seed=profile["seed"], version=susx.__version__,
                held_out=(logits["val"], logits["val_labels"]) if "val" in logits else None,
                digests={"classifier": classifier.digest, "support": inputs.one(curate.STAGE).digest},
            )
        )  # fmt: skip
        if reference is None:
            reference = logits["test"]
    return tuple(rows)


def _access(fitted: Mapping[str, Any], evidence: Evidence) -> tuple[Access, ...]:
    """Return what a fit looked at."""
    method, tuning = find_method(fitted["method"]), fitted["tuning"]
    seen = set(seen_by(method, evidence, tuning))
    return sorted_access(seen | {"validation"} if tuning == "val" else seen)


def _shown(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out switches that are off: they are the rule."""
    return {name: value for name, value in values.items() if value is not False and value is not None}


def _support(inputs: Artefacts, store: ArtefactStore) -> list[SupportImage]:
    held = files_by_digest(store, encode_images.image_sets(inputs).values())
    rows = read_support(store.path(inputs.one(curate.STAGE), curate.TABLE))
    return [SupportImage(row, held[row.digest] if row.file else None) for row in rows]


def _words(classes: Sequence[str], inputs: Artefacts, store: ArtefactStore) -> Iterator[ClassWords]:
    for name in classes:
        if (said := words.read(store, inputs, name)) is not None:
            yield ClassWords(name, said.name, said.counts, said.captions, said.sentences)


def _words_gain(classes: Sequence[str], inputs: Artefacts, store: ArtefactStore) -> str:
    """Say what the words did to zero-shot accuracy, where the target's labelled images tell."""

    text = inputs.one(text_classifier.STAGE)
    given = text_classifier.load_by_own_name(store, text, classes)
    if given is None:
        return "" if inputs.find(words.STAGE) is None else "None of them changed a sentence."
    test = inputs.all(target.STAGE).get("test")
    if test is None:
        return ""
    said, _ = text_classifier.load(store, text, classes)
    features, labels = load_target(store, test, classes)
    before, now = ((features.pooled @ rows.T).argmax(dim=1) == labels for rows in (given, said))
    change = compare(before, now)
    low, high = (f"{100 * end:+.1f}" for end in (change.low, change.high))
    return (
        f"Zero-shot on {len(labels):,} test images: {100 * float(before.float().mean()):.1f} % with the names as given, "
        f"{100 * float(now.float().mean()):.1f} % with these words ({100 * change.gain:+.1f} points, 95 % interval {low} to {high})."
    )


def _used(params: ReportParams, inputs: Artefacts, store: ArtefactStore) -> str:
    """Say whether the classifier that is packaged looks at examples."""
    packaged = inputs.all(fit.STAGE)[params.headline]
    fitted = json.loads(store.path(packaged, fit.FACTS).read_text(encoding="utf-8"))
    if fitted["uses_support"] and not fitted["is_zero_shot"]:
        return "They are used"
    return "The classifier packaged is zero-shot and does not look at them"


def _contradicted(evidence: Evidence, support: Ref, used: str, store: ArtefactStore) -> Iterator[str]:
    """Name classes most of whose examples are more like the text of one other class than like their own, and what becomes of them."""
    kept = [row for row in read_support(store.path(support, curate.TABLE)) if row.kept]
    own = [at for at, row in enumerate(kept) if row.origin == "provided"]
    if not own or evidence.support_features is None or evidence.class_names is None:
        return
    nearest = (evidence.support_features[own] @ evidence.text_classifier.T).argmax(dim=1).tolist()
    found: dict[str, Counter[str]] = {}
    for at, place in zip(own, nearest, strict=True):
        found.setdefault(kept[at].class_name, Counter())[evidence.class_names[place]] += 1
    for name, votes in found.items():
        rival, count = votes.most_common(1)[0]
        if rival != name and 2 * count > votes.total():
            yield (
                f"The examples of '{name}' contradict its name: {count} of {votes.total()} look more like '{rival}'. {used}; see "
                "that they lie in the right folder."
            )


class _TestImages:
    """Test images as PNG bytes, to be shown beside a confusion: those that were measured, or none."""

    def __init__(self, reporting: Reporting, measured: target.Labels) -> None:
        self.reporting, self.measured = reporting, measured

    @functools.cached_property
    def split(self) -> TargetSplit | None:
        """The split as it is now; its order may be another than when it was measured."""
        return read_split(self.reporting.dataset, self.reporting.data_root, "test")

    @functools.cached_property
    def place(self) -> dict[str, int]:
        """Name -> place in the split."""
        return {} if self.split is None else {name: at for at, name in enumerate(self.split.names)}

    def __call__(self, row: int) -> QueryImage:
        """Return the image of one row of the measured features; without a picture where it cannot be had, or is another."""
        name = self.measured["names"][row]
        if self.split is None or name not in self.place:
            return QueryImage(None, name)
        try:
            image = self.split.image(self.place[name])
        except (OSError, SusxError):
            return QueryImage(None, name)
        if perceptual_hash(image) != self.measured["phash"][row]:
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
