"""A folder of photographs labelled by names, on the embedded world: what is encoded, what is kept, what is refused."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from susx.errors import ConfigError, InputError
from susx.labelling import LabelResult
from susx.labelling.answers_file import Answer, AnswerFile, now
from susx.pipeline.executors import InlineExecutor
from susx.pipeline.label_graph import label_folder
from susx.pipeline.label_options import LabelOptions
from susx.pipeline.label_plan import plan_label
from susx.store import ArtefactStore, Outcome
from susx.testing.photos import take_photos
from susx.testing.world import CLASSES

POOL = ("retrieval.pool_size=240",)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> tuple[LabelOptions, dict[str, str]]:
    """A store in which a folder of 24 photographs was labelled, and the truth about them."""
    root = tmp_path_factory.mktemp("label")
    truth = take_photos(root / "photos", CLASSES, 6)
    options = LabelOptions(
        str(root / "photos"),
        names=tuple(CLASSES),
        out=str(root / "out"),
        store=str(root / "store"),
        settings=POOL,
    )
    _label(options)
    return options, truth


def _label(options: LabelOptions) -> tuple[LabelResult, list[Outcome]]:
    store = ArtefactStore(options.store)
    executor = InlineExecutor(store)
    result = label_folder(plan_label(options, store), executor).write(options.out)
    return result, executor.outcomes


def _encoded(outcomes: list[Outcome]) -> int:
    return sum(
        int(o.counts["encoded"])
        for o in outcomes
        if o.ref.stage == "encode-folder" and o.status == "computed"
    )


def _moved(labelled: tuple[LabelOptions, dict[str, str]], tmp_path: Path) -> LabelOptions:
    """Return the same options for a copy of the folder and another result."""
    options, _ = labelled
    shutil.copytree(options.folder, tmp_path / "copy")
    return replace(options, folder=str(tmp_path / "copy"), out=str(tmp_path / "out"))


def test_photographs_get_their_labels(labelled: tuple[LabelOptions, dict[str, str]]) -> None:
    """Most photographs get the class that they show; every one is a row under the name it has."""
    options, truth = labelled
    result = LabelResult.read(options.out)
    assert sorted(result.frame["path"]) == sorted(truth)
    right = sum(truth[row.path] == row.label for row in result.frame.itertuples())
    assert right >= 20  # of 24; by chance 6
    assert result.record.toy
    assert result.record.pool == "the embedded pool"


def test_nothing_is_encoded_twice(labelled: tuple[LabelOptions, dict[str, str]], tmp_path: Path) -> None:
    """A second run computes nothing; other names, another place of the files and a correction encode nothing."""
    options, _ = labelled
    _, again = _label(options)
    assert {o.status for o in again} == {"cached"}
    _, names = _label(replace(options, names=("banded", "woven"), out=str(tmp_path / "names")))
    assert _encoded(names) == 0
    moved = _moved(labelled, tmp_path)
    (tmp_path / "copy" / "IMG_0000.png").rename(tmp_path / "copy" / "holiday.png")
    result, elsewhere = _label(moved)
    assert _encoded(elsewhere) == 0
    assert "holiday.png" in set(result.frame["path"])


def test_one_new_photograph_is_one_that_is_encoded(
    labelled: tuple[LabelOptions, dict[str, str]], tmp_path: Path
) -> None:
    """The rest of the folder is in the store already."""
    moved = _moved(labelled, tmp_path)
    take_photos(tmp_path / "new", ["grid"], 1, first=90)
    shutil.copy(tmp_path / "new" / "IMG_0000.png", tmp_path / "copy" / "new.png")
    result, outcomes = _label(moved)
    assert _encoded(outcomes) == 1
    assert len(result) == 25


def test_features_that_the_store_lost_are_made_again(
    labelled: tuple[LabelOptions, dict[str, str]], tmp_path: Path
) -> None:
    """Damaged: the labels are the same, and the store is whole again."""
    options, _ = labelled
    before = LabelResult.read(options.out)
    (folder,) = (path for path in (Path(options.store) / "features").iterdir() if path.name.endswith("-fp32"))
    for path in folder.glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:100])
    result, _ = _label(replace(options, out=str(tmp_path / "out")))
    assert list(result.frame["label"]) == list(before.frame["label"])
    assert result.features().shape == (24, before.class_model().text.shape[1])


def test_broken_files_are_counted_and_named(
    labelled: tuple[LabelOptions, dict[str, str]], tmp_path: Path
) -> None:
    """Rubbish, an empty file, a cut one and one that may not be decoded are no row and no end."""
    moved, copy = _moved(labelled, tmp_path), tmp_path / "copy"
    (copy / "rubbish.jpg").write_bytes(b"rubbish")
    (copy / "empty.png").write_bytes(b"")
    (copy / "cut.png").write_bytes((copy / "IMG_0001.png").read_bytes()[:200])
    (copy / "page.jpg").write_bytes(b"<html>no</html>")
    result, _ = _label(moved)
    assert len(result) == 24
    assert set(result.left_out) == {"rubbish.jpg", "empty.png", "cut.png", "page.jpg"}
    assert sum(result.record.left_out.values()) == 4
    assert LabelResult.read(moved.out).left_out == dict(result.left_out)


def test_duplicates_share_a_group_and_a_label(
    labelled: tuple[LabelOptions, dict[str, str]], tmp_path: Path
) -> None:
    """The same file a hundred times does not change what the others are called."""
    options, _ = labelled
    before = LabelResult.read(options.out).frame.set_index("path")
    moved, copy = _moved(labelled, tmp_path), tmp_path / "copy"
    for at in range(100):
        shutil.copy(copy / "IMG_0003.png", copy / f"again_{at}.png")
    frame = _label(moved)[0].frame.set_index("path")
    again = frame[[path.startswith("again") for path in frame.index]]
    assert set(again["group"]) == {frame["group"]["IMG_0003.png"]}
    assert set(again["label"]) == {frame["label"]["IMG_0003.png"]}
    assert list(frame.loc[before.index, "label"]) == list(before["label"])
    assert np.allclose(frame.loc[before.index, "probability"], before["probability"], atol=1e-5)


def test_links_are_followed_and_cycles_end(
    labelled: tuple[LabelOptions, dict[str, str]], tmp_path: Path
) -> None:
    """A linked folder is a part of the folder, with the names it has there."""
    moved, copy = _moved(labelled, tmp_path), tmp_path / "copy"
    (copy / "linked").symlink_to(Path(labelled[0].folder))
    (copy / "around").symlink_to(copy)
    (copy / "dead.png").symlink_to(tmp_path / "nothing.png")
    result, outcomes = _label(moved)
    assert len(result) == 48
    assert _encoded(outcomes) == 0
    assert "linked/IMG_0000.png" in set(result.frame["path"])


def test_a_folder_of_one_photograph_and_a_list_of_one_class(
    labelled: tuple[LabelOptions, dict[str, str]], tmp_path: Path
) -> None:
    """The smallest that there is; with and without a pool."""
    options, _ = labelled
    (tmp_path / "one").mkdir()
    shutil.copy(Path(options.folder) / "IMG_0000.png", tmp_path / "one" / "x.png")
    for at, no_pool in enumerate((False, True)):
        one = replace(
            options,
            folder=str(tmp_path / "one"),
            names=("banded",),
            out=str(tmp_path / f"out{at}"),
            no_pool=no_pool,
        )
        result, _ = _label(one)
        assert list(result.frame["label"]) == ["banded"]
        assert list(result.frame["second"]) == [""]


def test_without_a_pool_the_folder_is_all_there_is(
    labelled: tuple[LabelOptions, dict[str, str]], tmp_path: Path
) -> None:
    """Names and the folder itself suffice."""
    options, truth = labelled
    result, outcomes = _label(replace(options, no_pool=True, out=str(tmp_path / "out")))
    assert "pool" not in {o.ref.stage for o in outcomes}
    assert result.record.pool == ""
    assert sum(truth[row.path] == row.label for row in result.frame.itertuples()) >= 18


def test_a_pool_of_ones_own(labelled: tuple[LabelOptions, dict[str, str]], tmp_path: Path) -> None:
    """A folder with features.npy is a pool; one of another width is refused."""
    options, _ = labelled
    features = LabelResult.read(options.out).features()
    for name, rows in (("own", features), ("narrow", features[:, :8])):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "features.npy", rows)
    result, _ = _label(replace(options, pool=str(tmp_path / "own"), settings=(), out=str(tmp_path / "out")))
    assert result.record.pool == str(tmp_path / "own")
    with pytest.raises(Exception, match="width"):
        _label(replace(options, pool=str(tmp_path / "narrow"), settings=(), out=str(tmp_path / "out2")))


def test_what_people_said_is_read_from_the_result(
    labelled: tuple[LabelOptions, dict[str, str]], tmp_path: Path
) -> None:
    """A class, none of these and a new class; unknown files are said, and nothing is encoded."""
    moved = _moved(labelled, tmp_path)
    result, _ = _label(moved)
    first, second, third = (result.frame.iloc[at] for at in range(3))
    log = AnswerFile(Path(moved.out) / "corrections.csv")
    log.append([
        Answer(now(), first["path"], first["digest"], "woven"), Answer(now(), second["path"], second["digest"], ""),
        Answer(now(), third["path"], "", "zigzagged"), Answer(now(), "gone.png", "f" * 64, "grid"),
    ])  # fmt: skip
    plan = plan_label(moved, ArtefactStore(moved.store))
    assert any("gone.png" in note for note in plan.build.notes)
    after, outcomes = _label(moved)
    assert list(after.frame["label"][:3]) == ["woven", "", "zigzagged"]
    assert list(after.frame["by_person"][:3]) == [True] * 3
    assert after.classes == (*CLASSES, "zigzagged")
    assert _encoded(outcomes) == 0
    relabelled = LabelResult.read(moved.out).relabel({})
    assert not relabelled.frame["by_person"].any()


def test_a_photograph_that_changes_while_the_folder_is_read(
    labelled: tuple[LabelOptions, dict[str, str]], tmp_path: Path
) -> None:
    """What was looked at is not what is there any more: it is left out, with the reason; one that went away too."""
    moved = _moved(labelled, tmp_path)
    copy = tmp_path / "copy"
    take_photos(tmp_path / "new", ["grid"], 3, first=120)
    for at in range(3):
        shutil.copy(tmp_path / "new" / f"IMG_000{at}.png", copy / f"new{at}.png")
    store = ArtefactStore(moved.store)
    plan = plan_label(moved, store)
    (copy / "new0.png").write_bytes((copy / "new1.png").read_bytes())
    (copy / "new2.png").unlink()
    result = label_folder(plan, InlineExecutor(store))
    assert set(result.left_out) == {"new0.png", "new2.png"}
    assert len(result) == 25
    again, _ = _label(moved)
    assert len(again) == 26


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "neither was given"),
        (("cat", "cat"), "listed twice"),
        (("cat", " "), "empty name"),
        (("T shirt", "t shirt"), "same prompts"),
        (("a" * 300,), "300 characters"),
    ],
)
def test_names_that_cannot_be_used(
    labelled: tuple[LabelOptions, dict[str, str]], tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    """One paragraph, before any work."""
    options, _ = labelled
    with pytest.raises(ConfigError, match=message):
        plan_label(replace(options, names=names, out=str(tmp_path / "out")), ArtefactStore(options.store))


def test_folders_that_cannot_be_used(labelled: tuple[LabelOptions, dict[str, str]], tmp_path: Path) -> None:
    """No folder, a file, an empty folder, a folder of nothing readable, the result in the place of something else."""
    options, _ = labelled
    store = ArtefactStore(options.store)
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("x")
    out = str(tmp_path / "out")
    for name, message in (
        ("nowhere", "not there"),
        ("file", "is a file"),
        ("empty", "no photographs"),
        ("texts", "no photographs"),
    ):
        with pytest.raises(InputError, match=message):
            plan_label(replace(options, folder=str(tmp_path / name), out=out), store)
    with pytest.raises(InputError, match="holds no labels"):
        plan_label(replace(options, out=options.folder), store)
    with pytest.raises(ConfigError, match="contradict"):
        plan_label(replace(options, pool=options.folder, no_pool=True, out=out), store)
    with pytest.raises(InputError, match="no corrections"):
        plan_label(replace(options, corrections=str(tmp_path / "none.csv"), out=out), store)


def test_a_folder_of_nothing_readable_is_refused(
    labelled: tuple[LabelOptions, dict[str, str]], tmp_path: Path
) -> None:
    """All of it is rubbish: there is no table of no rows."""
    options, _ = labelled
    (tmp_path / "rubbish").mkdir()
    for at in range(3):
        (tmp_path / "rubbish" / f"{at}.jpg").write_bytes(b"rubbish %d" % at)
    for at, no_pool in enumerate((False, True)):
        with pytest.raises(InputError, match="None of the 3 photographs"):
            _label(
                replace(
                    options, folder=str(tmp_path / "rubbish"), out=str(tmp_path / f"out{at}"), no_pool=no_pool
                )
            )


def test_a_result_inside_the_folder_is_not_labelled(
    labelled: tuple[LabelOptions, dict[str, str]], tmp_path: Path
) -> None:
    """Pictures that lie in the result are nobody's photographs."""
    moved = replace(_moved(labelled, tmp_path), out=str(tmp_path / "copy" / "labels"))
    _label(moved)
    shutil.copy(tmp_path / "copy" / "IMG_0000.png", tmp_path / "copy" / "labels" / "x.png")
    assert len(_label(moved)[0]) == 24


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(labelled: tuple[LabelOptions, dict[str, str]], tmp_path: Path) -> None:
    """It is left out with its reason."""
    moved = _moved(labelled, tmp_path)
    (tmp_path / "copy" / "IMG_0000.png").chmod(0)
    assert "IMG_0000.png" in _label(moved)[0].left_out
