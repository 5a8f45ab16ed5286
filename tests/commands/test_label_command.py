"""`susx label` and what follows it, as a person types it."""

import json
from pathlib import Path

import pytest

from susx.cli import main
from susx.errors import InputError
from susx.testing.photos import take_photos
from susx.testing.world import CLASSES


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photographs, a list of names and a result."""
    root = tmp_path_factory.mktemp("home")
    take_photos(root / "photos", CLASSES, 3)
    (root / "photos" / "broken.jpg").write_bytes(b"broken")
    (root / "names.txt").write_text("\ufeff# textures\n" + "\r\n".join(CLASSES) + "\n\n", encoding="utf-8")
    _susx(
        root, "label", root / "photos", "--classes", root / "names.txt", "--out", root / "labels", "--no-pool"
    )
    return root


def _susx(root: Path, *words: object) -> None:
    store = ["--store", str(root / "store")] if "photos" in str(words[1]) else []
    main([str(word) for word in (*words, *store)])


def test_the_result_is_whole(home: Path) -> None:
    """Three tables, the record, the page, and the file that was left out."""
    names = {path.name for path in (home / "labels").iterdir()}
    assert names >= {
        "labels.csv",
        "labels.parquet",
        "labels.jsonl",
        "labels.json",
        "left_out.csv",
        "report.html",
    }
    assert json.loads((home / "labels" / "labels.json").read_text())["classes"] == CLASSES
    assert "broken.jpg" in (home / "labels" / "left_out.csv").read_text()


def test_a_second_run_says_what_the_folder_holds(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Toys are said, counts are shown, an estimate is called one; options may come before the folder."""
    _susx(
        home,
        "label",
        "--names",
        ",".join(CLASSES),
        home / "photos",
        "--out",
        home / "labels",
        "--no-pool",
        "--no-report",
    )
    out = " ".join(capsys.readouterr().out.split())
    assert "embedded toys" in out
    assert "12 photographs" in out or "13 photographs" in out
    assert "1 not-an-image" in out
    assert "Estimated accuracy" in out
    assert "no promise" in out


def test_sorting_is_dry_until_yes(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Then it is done once, and taken back."""
    _susx(home, "label", "sort", home / "labels", "--copy-to", tmp_path / "sorted")
    assert "Nothing was done" in capsys.readouterr().out
    assert not (tmp_path / "sorted").exists()
    _susx(home, "label", "sort", home / "labels", "--copy-to", tmp_path / "sorted", "--yes")
    assert "12 images were copied" in capsys.readouterr().out
    (undo,) = (tmp_path / "sorted").glob("*.jsonl")
    _susx(home, "label", "sort", "--undo", undo, "--yes")
    assert list((tmp_path / "sorted").iterdir()) == []


def test_exporting_says_how_many(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A format by its name."""
    _susx(home, "label", "export", home / "labels", "--format", "coco", "--out", tmp_path / "coco")
    assert "12 images" in capsys.readouterr().out


def test_the_same_from_python(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a person stands, and a result around the photographs, hides none of them; what is corrected stands."""
    import susx

    monkeypatch.chdir(home)
    labels = susx.label("photos", CLASSES, store="store", no_pool=True)
    assert len(labels.frame) == 12
    assert set(labels.left_out) == {"broken.jpg"}
    assert labels.corrected({"IMG_0000.png": "woven"}).frame["label"][0] == "woven"
    with pytest.raises(InputError, match="no image of the table"):
        labels.corrected({"nothing.png": "woven"})
    (home / "around").mkdir()
    labels.save("around")
    (home / "photos").rename(home / "around" / "photos")
    try:
        assert (
            len(susx.label("around/photos", "names.txt", out="around", store="store", no_pool=True).frame)
            == 12
        )
    finally:
        (home / "around" / "photos").rename(home / "photos")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["label", "{home}/photos"], "Class names are wanted"),
        (["label", "{home}/photos", "--classes", "{home}/nmes.txt"], "Did you mean 'names.txt'"),
        (["label", "{home}/photos", "--classes", "{home}/names.txt", "--names", "a"], "both were given"),
        (["label", "{home}/photos", "--names", " , "], "no name"),
        (["label", "{home}/photos", "--names", "a", "--out", "{home}/photos"], "holds no labels"),
        (["label", "{home}/photos", "--names", "a", "--profile", "demoo", "--out", "{home}/x"], "demoo"),
        (["label", "{home}/photos", "--names", "a", "--copy-to", "x", "--link-to", "y"], "not both"),
        (["label", "{home}/nothing", "--names", "a"], "not there"),
        (["label", "{home}/photos", "--names", "a", "--yes"], "no effect"),
        (["label", "sort", "--undo", "x.jsonl", "--least", "0.5"], "takes a list alone"),
        (["label", "sort", "{home}/labels"], "--copy-to DIR or --link-to DIR"),
        (["label", "sort", "{home}/labels", "--copy-to", "{home}/photos"], "folder of photographs"),
        (["label", "sort"], "folder of a result"),
        (["label", "export", "{home}/labels", "--format", "cocoo", "--out", "{home}/x"], "'coco'"),
        (["label", "export", "{home}/photos", "--format", "coco", "--out", "{home}/x"], "holds no labels"),
    ],
)
def test_a_refusal_is_one_paragraph(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """It ends with code 2, says what to do, and shows no traceback."""
    with pytest.raises(SystemExit) as ended:
        main([word.replace("{home}", str(home)) for word in words])
    error = " ".join(capsys.readouterr().err.split())
    assert ended.value.code == 2
    assert said in error
    assert "Traceback" not in error
