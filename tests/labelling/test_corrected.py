"""Labels as people have corrected them since the table was written, for whoever reads them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from susx import Labels, label
from susx.cli import main
from susx.labelling.answers_file import Answer, AnswerFile, now
from susx.labelling.audit_files import latest_audit
from susx.labelling.corrected import as_corrected
from susx.labelling.label_result import LabelResult
from susx.testing.photos import take_photos
from susx.testing.world import CLASSES


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> LabelResult:
    """Twelve labelled photographs; of the last one a person had said it before."""
    root = tmp_path_factory.mktemp("corrected")
    take_photos(root / "photos", CLASSES, 3)
    last = sorted(path for path in (root / "photos").rglob("*") if path.is_file())[-1]
    (root / "elsewhere.csv").write_text(f"path,label\n{last.relative_to(root / 'photos')},grid\n")
    label(
        root / "photos", CLASSES, out=root / "result", store=root / "store", no_pool=True, corrections=root / "elsewhere.csv"
    )  # fmt: skip
    return LabelResult.read(root / "result")


@pytest.fixture
def result(whole: LabelResult) -> Iterator[LabelResult]:
    """The folder before anybody answered."""
    yield whole
    (_folder(whole) / "corrections.csv").unlink(missing_ok=True)


def _folder(result: LabelResult) -> Path:
    assert result.folder is not None
    return result.folder


def _say(result: LabelResult, row: int, name: str, action: str = "say") -> None:
    image = result.frame.iloc[row]
    answer = Answer(now(), image["path"], image["digest"], name, "p", action)  # type: ignore[arg-type]
    AnswerFile(_folder(result) / "corrections.csv").append([answer])


def _said(result: LabelResult) -> dict[int, str]:
    rows = zip(result.frame["by_person"], result.frame["label"], strict=True)
    return {at: name for at, (by_person, name) in enumerate(rows) if by_person}


def test_answers_since_count_and_earlier_ones_stay(result: LabelResult) -> None:
    """What came with --corrections is no line of the result's own file, and is not forgotten for the first one there."""
    assert _said(result) == {11: "grid"}
    assert as_corrected(result) is result
    _say(result, 0, "grid")
    corrected = as_corrected(result)
    assert _said(corrected) == {0: "grid", 11: "grid"}
    assert corrected.frame["probability"][0] == 1


def test_an_answer_taken_back_is_none(result: LabelResult) -> None:
    """Also one that the table was written with."""
    _say(result, 11, "woven")
    _say(result, 0, "grid")
    _say(result, 0, "", "undo")
    assert _said(as_corrected(result)) == {11: "woven"}
    _say(result, 11, "", "undo")
    assert _said(as_corrected(result)) == {}


def test_sort_and_export_see_corrections(result: LabelResult, tmp_path: Path) -> None:
    """Whoever corrects labels and then sorts or exports gets the corrected ones."""
    image = result.frame.iloc[0]
    other = next(name for name in CLASSES if name != image["label"])
    _say(result, 0, other)
    main(["label", "sort", str(result.folder), "--copy-to", str(tmp_path / "sorted"), "--yes"])
    assert (tmp_path / "sorted" / other / Path(image["path"]).name).is_file()
    assert not (tmp_path / "sorted" / image["label"] / Path(image["path"]).name).exists()
    main(["label", "export", str(result.folder), "--format", "coco", "--out", str(tmp_path / "coco")])
    found = json.loads((tmp_path / "coco" / "annotations.json").read_text())
    names = {category["id"]: category["name"] for category in found["categories"]}
    counts = [names[one["category_id"]] for one in found["annotations"]]
    assert counts.count(other) == sum(as_corrected(result).frame["label"] == other)


def test_corrections_from_python_add_up(result: LabelResult) -> None:
    """A second one does not take back the first, nor what the table had."""
    paths = result.frame["path"]
    labels = Labels(result).corrected({paths[0]: "grid"}).corrected({paths[1]: ""})
    assert _said(labels.result) == {0: "grid", 1: "", 11: "grid"}
    assert _said(labels.corrected({paths[0]: "woven"}).result) == {0: "woven", 1: "", 11: "grid"}


def test_an_audit_asks_about_what_nobody_said(result: LabelResult) -> None:
    """An image that was corrected in the page since is no part of what is drawn."""
    _say(result, 0, "grid")
    main(["label", "audit", str(result.folder), "--n", "12"])
    drawn = latest_audit(_folder(result))
    assert drawn is not None
    assert drawn.left_out == 2
    assert len(drawn.labels) == 10
    assert result.frame["digest"][0] not in set(drawn.labels["digest"])
