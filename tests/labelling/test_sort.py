"""Images sorted into class folders: planned first, never over anything, and taken back."""

import os
from pathlib import Path

import pandas as pd
import pytest

from susx.encoder_id import EncoderId
from susx.errors import InputError
from susx.labelling import LabelRecord, LabelResult
from susx.labelling.sort import carry_out, class_folders, plan_sorting, take_back
from susx.store import digest_file

LABELS = {"a/one.jpg": "cat", "b/one.jpg": "cat", "two.jpg": "AC/DC", "three.jpg": ""}


def _result(root: Path) -> LabelResult:
    for path in LABELS:
        (root / "photos" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / "photos" / path).write_bytes(path.encode())
    frame = pd.DataFrame(
        {
            "path": list(LABELS), "label": list(LABELS.values()), "probability": [0.9, 0.4, 0.8, 1.0], "second": "", "second_probability": 0.0,
            "margin": 0.0, "none_of_these": 0.0, "group": range(4), "by_person": False,
            "digest": [digest_file(root / "photos" / path) for path in LABELS],
        }
    )  # fmt: skip
    return LabelResult(
        LabelRecord(("cat", "AC/DC"), str(root / "photos"), EncoderId("tiny", "0" * 64)), frame
    )


def _files(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".jsonl")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("how", ["copy", "link"])
def test_each_class_gets_a_folder_and_all_is_taken_back(tmp_path: Path, how: str) -> None:
    """Nothing is written by the plan; names that meet are told apart; a second run does nothing; nothing is left after undoing."""
    result, target = _result(tmp_path), tmp_path / "sorted"
    before = _files(tmp_path / "photos")
    moves = plan_sorting(result, target, how)  # type: ignore[arg-type]
    assert not target.exists()
    undo, failed = carry_out(moves, target, how)  # type: ignore[arg-type]
    assert failed == []
    assert undo is not None
    assert sorted(_files(target).values()) == sorted(before.values())
    assert {path.split("/")[0] for path in _files(target)} == {"cat", "AC_DC", "none of these"}
    assert all(path.is_symlink() == (how == "link") for path in target.rglob("*.jpg"))
    again = plan_sorting(result, target, how)  # type: ignore[arg-type]
    assert all(move.there for move in again)
    assert carry_out(again, target, how) == (None, [])  # type: ignore[arg-type]
    assert take_back(undo, really=False) == (4, [])
    assert len(_files(target)) == 4
    assert take_back(undo, really=True) == (4, [])
    assert list(target.iterdir()) == []
    assert _files(tmp_path / "photos") == before


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A file of the same name, somebody's own, stays; so does one that was changed when all is taken back."""
    result, target = _result(tmp_path), tmp_path / "sorted"
    (target / "cat").mkdir(parents=True)
    (target / "cat" / "one.jpg").write_bytes(b"mine")
    undo, _ = carry_out(plan_sorting(result, target, "copy"), target, "copy")
    assert (target / "cat" / "one.jpg").read_bytes() == b"mine"
    assert len(list((target / "cat").iterdir())) == 3
    (target / "AC_DC" / "two.jpg").write_bytes(b"edited")
    assert undo is not None
    gone, left = take_back(undo, really=True)
    assert gone == 3
    assert len(left) == 1
    assert _files(target) == {"cat/one.jpg": b"mine", "AC_DC/two.jpg": b"edited"}


def test_only_what_is_sure_enough_is_sorted(tmp_path: Path) -> None:
    """A threshold leaves the others where they are."""
    moves = plan_sorting(_result(tmp_path), tmp_path / "sorted", "copy", least=0.85)
    assert [move.source.name for move in moves] == ["one.jpg", "three.jpg"]


def test_a_photograph_that_changed_or_went_is_a_reason(tmp_path: Path) -> None:
    """The others are sorted."""
    result, target = _result(tmp_path), tmp_path / "sorted"
    moves = plan_sorting(result, target, "copy")
    (tmp_path / "photos" / "two.jpg").write_bytes(b"other")
    (tmp_path / "photos" / "three.jpg").unlink()
    _, failed = carry_out(moves, target, "copy")
    assert len(failed) == 2
    assert sorted(_files(target)) == [f"cat/{path.name}" for path in sorted((target / "cat").iterdir())]


@pytest.mark.parametrize("inside", [".", "a", "a/new", "linked"])
def test_the_folder_itself_is_refused(tmp_path: Path, inside: str) -> None:
    """It, what lies in it, and what leads into it."""
    result = _result(tmp_path)
    os.symlink(tmp_path / "photos" / "a", tmp_path / "linked")
    target = tmp_path / "linked" if inside == "linked" else tmp_path / "photos" / inside
    with pytest.raises(InputError, match="folder of photographs"):
        plan_sorting(result, target, "copy")


def test_a_class_folder_that_leads_into_the_photographs_is_refused(tmp_path: Path) -> None:
    """A link in the target is followed before anything is written."""
    result = _result(tmp_path)
    (tmp_path / "sorted").mkdir()
    os.symlink(tmp_path / "photos", tmp_path / "sorted" / "cat")
    with pytest.raises(InputError, match="folder of photographs"):
        plan_sorting(result, tmp_path / "sorted", "copy")


def test_folders_of_hostile_names() -> None:
    """No class leads elsewhere, and no two share a folder on any file system."""
    names = ["..", "/etc", "con", "a" * 300, "cat", "CAT", "x\ny", "  ", "none of these"]
    folders = list(class_folders(names).values())
    assert len({folder.casefold() for folder in folders}) == len(names)
    assert all(
        folder and "/" not in folder and folder not in (".", "..") and len(folder) < 100 for folder in folders
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"made": "../x", "how": "copy", "from": "x", "digest": "0", "folder": true}'],
)
def test_a_list_that_is_none_removes_nothing(tmp_path: Path, content: bytes) -> None:
    """An empty one has nothing to take back; a foreign one, or one that leads elsewhere, is refused."""
    (tmp_path / "in").mkdir()
    (tmp_path / "x").write_bytes(b"mine")
    undo = tmp_path / "in" / "sorted-1.jsonl"
    undo.write_bytes(content)
    if not content:
        assert take_back(undo, really=True) == (0, [])
    else:
        with pytest.raises(InputError):
            take_back(undo, really=True)
    assert (tmp_path / "x").read_bytes() == b"mine"
