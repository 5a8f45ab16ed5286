"""A classifier from a labelled folder: its images are the support, what people said first, and nothing is encoded again."""

from dataclasses import replace
from pathlib import Path

import pytest

from susx.errors import ConfigError, InputError
from susx.features.encoder import Encoder
from susx.labelling.answers import Answer, AnswerFile, now
from susx.stages.executors import InlineExecutor
from susx.stages.graph import build
from susx.stages.label_graph import label_folder
from susx.stages.label_options import LabelOptions
from susx.stages.label_plan import plan_label
from susx.stages.plan import BuildOptions, plan_build
from susx.store import ArtefactStore
from susx.support import read_support
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
    assert {row.origin for row in kept} == {"provided"}
    counts = {name: sum(row.class_name == name for row in kept) for name in CLASSES}
    assert all(2 <= count <= 3 for count in counts.values())
    assert [row.class_name for row in kept if row.caption == "said by a person"] == ["grid"]
    assert (store.folder(result.package) / "classifier").is_dir()


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
