"""A classifier from a labelled folder: its images are the support, what people said first, and nothing is encoded again."""

from dataclasses import replace
from pathlib import Path

import pytest

from susx.classifier import load_classifier
from susx.errors import ConfigError, InputError
from susx.features.encoder import Encoder
from susx.images.support import read_support
from susx.labelling.answers_file import Answer, AnswerFile, now
from susx.labelling.label_result import LabelResult
from susx.pipeline.executors import InlineExecutor
from susx.pipeline.from_labels import labelled_images
from susx.pipeline.graph import build
from susx.pipeline.label_graph import label_folder
from susx.pipeline.label_options import LabelOptions
from susx.pipeline.label_plan import plan_label
from susx.pipeline.plan import BuildOptions, plan_build
from susx.store import ArtefactStore
from susx.testing.photos import take_photos
from susx.testing.world import CLASSES


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> BuildOptions:
    """A build from 24 labelled photographs; a person said of one that it is grid, of another that it is none of these."""
    root = tmp_path_factory.mktemp("from")
    take_photos(root / "photos", CLASSES, 6)
    asked = LabelOptions(
        str(root / "photos"), names=tuple(CLASSES), out=str(root / "out"), store=str(root / "store"),
        settings=("retrieval.pool_size=240",),
    )  # fmt: skip
    store = ArtefactStore(asked.store)
    result = label_folder(plan_label(asked, store), InlineExecutor(store)).write(asked.out)
    first, second = result.frame.iloc[0], result.frame.iloc[1]
    AnswerFile(root / "out" / "corrections.csv").append(
        [
            Answer(now(), first["path"], first["digest"], "grid"),
            Answer(now(), second["path"], second["digest"], ""),
        ]
    )
    return BuildOptions(
        from_labels=asked.out, per_class=3, store=asked.store, evaluate=False,
        settings=("methods={whitened_prototypes: {}}", "headline=whitened_prototypes/fixed", "tuning=[fixed]"),
    )  # fmt: skip


def test_the_folder_is_the_support(options: BuildOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each class has its surest images and all that people gave it; no photograph is encoded."""
    store = ArtefactStore(options.store)

    def refuse(*images: object) -> None:
        raise AssertionError("a photograph was encoded again")

    monkeypatch.setattr(Encoder, "encode_images", refuse)
    plan = plan_build(options)
    assert plan.classes == tuple(CLASSES)
    result = build(plan, InlineExecutor(store))
    kept = [row for row in read_support(store.path(result.support, "support.parquet")) if row.kept]
    assert {row.origin for row in kept} == {"provided", "predicted"}
    counts = {name: sum(row.class_name == name for row in kept) for name in CLASSES}
    assert all(2 <= count <= 3 for count in counts.values())
    assert [row.class_name for row in kept if row.origin == "provided"] == ["grid"]
    assert [row.class_name for row in kept if row.caption == "said by a person"] == ["grid"]
    assert (store.folder(result.package) / "classifier").is_dir()


def test_only_what_people_said_counts_as_labelled(options: BuildOptions) -> None:
    """The classifier is that of one labelled image and of guesses: a label that susx gave is no evidence that it is right."""
    store = ArtefactStore(options.store)
    plan = plan_build(options)
    result = build(plan, InlineExecutor(store))
    kept = [row for row in read_support(store.path(result.support, "support.parquet")) if row.kept]
    classifier = load_classifier(store.folder(result.package) / "classifier")
    trusted = classifier.stored.state.trust > 0
    assert trusted.tolist() == [name == "grid" for name in plan.classes]
    assert sum(row.origin == "predicted" for row in kept) == len(kept) - 1


def test_every_answer_of_a_group_counts(options: BuildOptions) -> None:
    """Where people told near-duplicates apart, each of their answers is an image; a guess beside them is none."""
    result = LabelResult.read(options.from_labels or "")
    frame = result.frame.copy()
    frame.loc[:2, "group"] = frame.loc[0, "group"]
    frame["none_of_these"], frame["by_person"] = 0.0, False
    frame.loc[1:2, "by_person"] = True
    frame.loc[1:2, "label"] = ["grid", "woven"]
    images = labelled_images(replace(result, frame=frame), 100)
    assert list(images["grid"].by_people) == [frame.loc[1, "digest"]]
    assert list(images["woven"].by_people) == [frame.loc[2, "digest"]]
    assert all(frame.loc[0, "digest"] not in of.sure for of in images.values())


def test_a_folder_of_outsiders_says_so(options: BuildOptions) -> None:
    """Guesses that look like none of the classes are nothing to build from, and the way out is named."""
    result = LabelResult.read(options.from_labels or "")
    frame = result.frame.assign(none_of_these=0.9, by_person=False)
    with pytest.raises(InputError, match="susx label review"):
        labelled_images(replace(result, frame=frame), 4)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"mode": "generate"}, ConfigError, "no effect"),
        ({"from_labels": "nowhere"}, InputError, "holds no labels"),
        ({"from_labels": None}, ConfigError, "--from-labels RESULT"),
        ({"dataset": "cifar10"}, ConfigError, "none of the 10 classes"),
    ],
)
def test_what_cannot_be_built_is_refused(
    options: BuildOptions, change: dict[str, str | None], error: type[Exception], message: str
) -> None:
    """One paragraph, before any work."""
    with pytest.raises(error, match=message):
        plan_build(replace(options, **change))  # type: ignore[arg-type]


def test_a_photograph_that_changed_is_said(options: BuildOptions) -> None:
    """Its label was that of another picture."""
    plan = plan_build(replace(options, per_class=4))
    photo = Path(next(iter(plan.labelled["woven"].sure.values())))
    data = photo.read_bytes()
    try:
        photo.write_bytes(data + b"x")
        with pytest.raises(InputError, match="changed or went away"):
            build(plan, InlineExecutor(ArtefactStore(options.store)))
    finally:
        photo.write_bytes(data)


def test_without_a_pool_no_guess_is_dropped(options: BuildOptions) -> None:
    """The folder alone does not say what lies outside the classes: the score ranks, and its level means nothing."""
    result = LabelResult.read(options.from_labels or "")
    frame = result.frame.assign(none_of_these=0.9, by_person=False)
    images = labelled_images(replace(result, frame=frame, record=replace(result.record, pool="")), 100)
    assert sum(len(of.sure) for of in images.values()) == frame["group"].nunique()
