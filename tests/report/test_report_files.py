"""A report is three files; the page is complete, offline and honest about what is missing."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from pathlib import Path

import pandas
import pytest
from rich.console import Console

from susx.commands.console import print_summary
from susx.errors import StoreError
from susx.methods.packaged import Packaged
from susx.report import MethodRow, ReportData, write_report
from susx.report.sample import sample_report


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of six classes."""
    folder = tmp_path_factory.mktemp("report")
    write_report(sample_report(classes=6, per_class=4), folder)
    return folder


def test_three_files_and_no_leftovers(folder: Path) -> None:
    """The page, the JSON and the parquet file are there and nothing else."""
    assert sorted(p.name for p in folder.iterdir()) == ["metrics.json", "metrics.parquet", "report.html"]


def test_page_refers_to_nothing_outside(folder: Path) -> None:
    """No attribute of the page leads out of it, and its policy forbids requests."""
    page = (folder / "report.html").read_text(encoding="utf-8")
    targets = re.findall(r'(?:src|href)="([^"]{0,40})', page)
    assert targets
    assert all(t.startswith(("data:", "#")) for t in targets)
    assert "default-src 'none'" in page


def test_headline_is_never_the_best_on_test(folder: Path) -> None:
    """Without a headline the first row is shown, not the highest; the sample's is tuned without labels."""
    data = sample_report(classes=6, per_class=4)
    first = dataclasses.replace(data, headline=None).headline_row()
    assert first is data.methods[0]
    row = data.headline_row()
    assert row is not None
    assert (row.method, row.tuning) == ("signatures", "support")
    assert max(r.top1 or 0 for r in data.methods) > (row.top1 or 0)


def test_parquet_has_one_row_per_method_with_provenance(folder: Path) -> None:
    """Each line of the table carries the five axes, seed, version and digests."""
    frame = pandas.read_parquet(folder / "metrics.parquet")
    found = json.loads((folder / "metrics.json").read_text())
    assert len(frame) == len(found["methods"]) == 5
    axes = {
        "prompts",
        "source",
        "encoder",
        "method",
        "tuning",
        "seed",
        "version",
        "digests",
        "dataset",
        "command",
    }
    assert axes <= set(frame.columns)
    assert frame["top1"].tolist() == [row["top1"] for row in found["methods"]]
    assert json.loads(frame["digests"][0]) == found["run"]["digests"]


def test_without_target_split_the_page_says_so(tmp_path: Path) -> None:
    """No accuracies: the reason stands where the number would, and the files are still written."""
    full = sample_report(classes=3, per_class=2)
    data = ReportData(
        full.run, full.classes, support=full.support, no_accuracy="dtd is not in the data folder."
    )
    page = write_report(data, tmp_path).read_text(encoding="utf-8")
    assert "dtd is not in the data folder." in page
    assert "No accuracies" in page
    assert "nan" not in page.lower().split("</style>")[1].split("<script")[0]
    assert pandas.read_parquet(tmp_path / "metrics.parquet").empty


def test_names_are_escaped_everywhere(tmp_path: Path) -> None:
    """A class name that looks like markup stays text in the page."""
    full = sample_report(classes=3, per_class=2)
    evil = "<img src=x onerror=\"alert(1)\"> & 'q'"
    support = tuple(
        dataclasses.replace(s, row=dataclasses.replace(s.row, class_name=evil)) for s in full.support
    )
    changes = tuple(dataclasses.replace(c, class_name=evil) for c in full.changes[:1])
    data = dataclasses.replace(
        full, classes=(evil,), support=support, changes=changes, confusion_matrix=((0, 0, 3),)
    )
    page = write_report(data, tmp_path).read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert json.loads((tmp_path / "metrics.json").read_text())["classes"] == [evil]


def test_unreadable_picture_becomes_a_tile_without_one(tmp_path: Path) -> None:
    """Broken bytes and a missing file do not stop the report; their tiles say that there is no picture."""
    full = sample_report(classes=1, per_class=2)
    broken = dataclasses.replace(full.support[0], image=b"not an image")
    gone = dataclasses.replace(full.support[1], image=tmp_path / "gone.jpg")
    page = write_report(dataclasses.replace(full, support=(broken, gone)), tmp_path / "out").read_text(
        encoding="utf-8"
    )
    assert page.count('class="nopicture"') == 2


def test_not_a_number_becomes_null(tmp_path: Path) -> None:
    """JSON has no NaN: strict readers must be able to read metrics.json."""
    full = sample_report(classes=1, per_class=1)
    row = MethodRow("photo", "retrieved", "tiny", "tip_x", top1=float("nan"), n=3)
    write_report(dataclasses.replace(full, methods=(row,), headline=None), tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text())["methods"][0]["top1"] is None


def test_unwritable_folder_is_one_readable_error(tmp_path: Path) -> None:
    """A file where the folder should be is refused with its name."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        write_report(sample_report(classes=1, per_class=1), tmp_path / "file")


def test_a_hundred_classes_stay_below_15_megabytes(tmp_path: Path) -> None:
    """1,600 kept photographs of 320 px and 500 rejected ones are thumbnailed into one page."""
    few = sample_report(classes=1, per_class=16, side=320)
    names = tuple(f"class {i}" for i in range(100))
    support = tuple(
        dataclasses.replace(s, row=dataclasses.replace(s.row, class_name=name))
        for name in names
        for s in few.support
    )
    page = write_report(dataclasses.replace(few, classes=names, support=support), tmp_path)
    assert page.stat().st_size < 15e6
    # every readable candidate is there, none was left out to save room
    readable = sum(s.image is not None for s in support)
    assert page.read_text(encoding="utf-8").count("data:image/jpeg") >= readable


def test_thousands_of_pictures_are_counted_not_drawn(tmp_path: Path) -> None:
    """Beyond the limit each class shows a share and the page says how many it leaves out."""
    few = sample_report(classes=1, per_class=1, side=16)
    row = few.support[0].row
    names = tuple(f"class {i}" for i in range(60))
    support = tuple(
        dataclasses.replace(few.support[0], row=dataclasses.replace(row, class_name=n))
        for n in names
        for _ in range(110)
    )
    page = write_report(dataclasses.replace(few, classes=names, support=support), tmp_path).read_text(
        encoding="utf-8"
    )
    assert page.count("more kept, left out to keep this page small") == 60
    assert "6,600" in page


def test_a_method_that_is_zero_shot_is_called_so(tmp_path: Path) -> None:
    """In the headline, its row, and the terminal's table; a method that is not, is not."""
    full = sample_report(classes=2, per_class=1)
    assert full.headline is not None
    write_report(full, tmp_path / "a")
    page = (tmp_path / "a/report.html").read_text(encoding="utf-8")
    assert "is zero-shot" not in page
    rows = list(full.methods)
    rows[full.headline] = dataclasses.replace(rows[full.headline], is_zero_shot=True)
    write_report(dataclasses.replace(full, methods=tuple(rows)), tmp_path / "b")
    page = (tmp_path / "b/report.html").read_text(encoding="utf-8")
    assert page.count("is zero-shot") == 2
    methods = json.loads((tmp_path / "b/metrics.json").read_text())["methods"]
    console = Console(file=io.StringIO(), width=200)
    said = {"packaged": {"sentence": "packaged: TIP-X."}, "labelled_images": {}}
    print_summary(console, {"stages": [], "methods": methods, "classifier": "c", "report": "r", **said})
    assert console.file.getvalue().count("(is zero-shot)") == 1


@pytest.mark.parametrize(
    ("low", "high", "colour"),
    [(0.001, 0.02, "up"), (-0.001, 0.02, ""), (-0.02, -0.001, "down"), (None, None, "")],
)
def test_a_gain_is_coloured_where_its_interval_excludes_0(
    tmp_path: Path, low: float | None, high: float | None, colour: str
) -> None:
    """Green and red are for what is hardly chance."""
    data = sample_report(classes=2, per_class=1)
    rows = [
        dataclasses.replace(r, gain=0.01 if r.gain is not None else None, gain_low=low, gain_high=high)
        for r in data.methods
    ]
    page = write_report(dataclasses.replace(data, methods=tuple(rows)), tmp_path).read_text(encoding="utf-8")
    classes = set(re.findall(r'class="(up|down|)"', page))
    assert classes == {colour}


def test_what_was_packaged_is_said_without_labelled_images(tmp_path: Path) -> None:
    """The method, whether it is zero-shot here and why, and the sentence of the fit; the counts of labels where there are some."""
    full = sample_report(classes=2, per_class=1)
    said = Packaged("tip_x", "TIP-X", "fixed", True, "the images are not believed", "It trusts none.")
    bare = dataclasses.replace(full, methods=(), headline=None, no_accuracy="None.", packaged=said)
    write_report(bare, tmp_path / "a")
    page = (tmp_path / "a/report.html").read_text(encoding="utf-8")
    sentence = "ackaged: TIP-X (fixed), which here is zero-shot: the images are not believed. It trusts none."
    assert f"P{sentence}" in page
    found = json.loads((tmp_path / "a/metrics.json").read_text())
    assert found["packaged"]["is_zero_shot"] is True
    assert found["packaged"]["sentence"] == f"p{sentence}"
    assert "labelled images</dt>" not in page
    counts = {"val": 12, "test": 12, "neither": 12}
    write_report(dataclasses.replace(bare, labelled_images=counts), tmp_path / "b")
    assert "<span>12 val,</span> <span>12 test,</span> <span>12 neither</span>" in (
        tmp_path / "b/report.html"
    ).read_text(encoding="utf-8")
    assert json.loads((tmp_path / "b/metrics.json").read_text())["labelled_images"] == counts


def test_how_far_each_classs_images_are_trusted_is_a_column(tmp_path: Path) -> None:
    """In the table of confidence and in metrics.json; without a word from the method there is no such column."""
    full = sample_report(classes=2, per_class=1)
    write_report(full, tmp_path / "a")
    assert "images trusted" not in (tmp_path / "a/report.html").read_text(encoding="utf-8")
    trusted = tuple(
        dataclasses.replace(c, trust=t) for c, t in zip(full.confidence, (0.25, 0.75), strict=True)
    )
    write_report(dataclasses.replace(full, confidence=trusted), tmp_path / "b")
    page = (tmp_path / "b/report.html").read_text(encoding="utf-8")
    assert "trusts the images of a class by <b>50 %</b> on average" in page
    assert ">25</td></tr>" in page
    told = json.loads((tmp_path / "b/metrics.json").read_text())["confidence"]
    assert [c["trust"] for c in told] == [0.25, 0.75]
