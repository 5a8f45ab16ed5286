"""Labelled images where other people keep them: CSV, Hugging Face datasets, webdatasets of CLIP_benchmark."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from susx.commands.datasets import app
from susx.config import load_dataset
from susx.datasets import new_dataset, read_split
from susx.errors import ConfigError
from susx.testing.data_sets import write_tables, write_webdataset

NAMES = ("polka_dotted", "Knitted", "crane")
"""Neither sorted nor as people would write them."""


def shade(level: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (level, level, level)).save(file, "PNG")
    return file.getvalue()


def labelled(count: int, first: int = 0) -> list[tuple[bytes, int]]:
    """Image ``i`` has grey level ``first + i`` and class ``i mod 3``."""
    return [(shade(first + i), i % 3) for i in range(count)]


def write_csv(folder: Path, splits: dict[str, list[tuple[bytes, int]]]) -> None:
    folder.mkdir(parents=True)
    lines = ["Filename,Label,Subset"]
    for split, samples in splits.items():
        for n, (image, label) in enumerate(samples):
            (folder / f"{split}{n}.png").write_bytes(image)
            lines.append(f"{split}{n}.png,{NAMES[label]},{split}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


LAYOUTS = {
    "webdataset": lambda folder, splits: write_webdataset(folder, splits, NAMES, ["a {c}.", "the {c}."]),
    "parquet": lambda folder, splits: write_tables(folder, splits, NAMES),
    "arrow": lambda folder, splits: write_tables(folder, splits, NAMES, arrow=True),
    "strings": lambda folder, splits: write_tables(folder, splits, NAMES, marked=False),
    "csv": write_csv,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_image_has_the_class_it_was_written_with(layout, tmp_path):
    """All layouts: described by the command, read split by split, each picture with its own class."""
    splits = {"train": labelled(5), "validation": labelled(7, 20), "test": labelled(11, 100)}
    if layout == "webdataset":
        splits["val"] = splits.pop("validation")
    LAYOUTS[layout](tmp_path / "things", splits)
    source = tmp_path / "things" / ("labels.csv" if layout == "csv" else "")
    out = tmp_path / "things.yaml"
    done = CliRunner().invoke(app, ["new", "things", "--from", str(source), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert f"--data-root {tmp_path}" in done.output.replace("\n", "")
    config = load_dataset(str(out))
    assert set(config.classes) == {"polka dotted", "Knitted", "crane"}
    if layout not in {"strings", "csv"}:
        assert config.classes == ("polka dotted", "Knitted", "crane")
    for split, first, count in (("val", 20, 7), ("test", 100, 11)):
        found = read_split(config, tmp_path, split)
        assert found is not None
        assert len(found) == count
        assert len(set(found.names)) == count
        for place in range(count):
            level = int(np.asarray(found.image(place))[0, 0, 0])
            written = NAMES[(level - first) % 3].replace("_", " ")
            assert config.classes[found.labels[place]] == written
        assert all(path is not None and path.is_file() for path in found.paths)
    check = CliRunner().invoke(app, ["check", str(out), "--data-root", str(tmp_path)])
    assert check.exit_code == 0, check.output


def test_templates_become_sentences_and_the_photo_prompt(tmp_path):
    """CLIP_benchmark's ``{c}``: the first is the photo prompt, all are the sentences of each class."""
    write_webdataset(tmp_path / "wds", {"test": labelled(3)}, NAMES, ["a {c}.", "the {c}.", "no class"])
    config = new_dataset("wds", tmp_path / "wds", tmp_path / "wds.yaml")
    assert config.photo_prompt == "a {}."
    assert load_dataset(str(tmp_path / "wds.yaml")).cupl is not None
    sentences = json.loads((tmp_path / "wds-sentences.json").read_text())
    assert sentences["polka dotted"] == ["a polka dotted.", "the polka dotted."]


def test_one_parquet_file_without_splits_is_dealt_by_name(tmp_path):
    """Some of it is val, some test, nothing is both, and always the same."""
    write_tables(tmp_path / "x", {"train": labelled(60)}, NAMES)
    (file,) = (tmp_path / "x" / "data").iterdir()
    config = new_dataset("x", file, tmp_path / "x.yaml")
    val, test = (read_split(config, tmp_path / "x", split) for split in ("val", "test"))
    assert val is not None
    assert test is not None
    assert not set(val.names) & set(test.names)
    assert 0 < len(val) < len(test) < 60


def test_names_in_the_card_serve_where_the_table_has_none(tmp_path):
    """The README's dataset_info, numbered as strings."""
    write_tables(tmp_path / "x", {"test": labelled(3)}, NAMES)
    (file,) = (tmp_path / "x" / "data").iterdir()
    pq.write_table(pq.read_table(file).replace_schema_metadata(None), file)
    with pytest.raises(ConfigError, match=r"neither the table nor README\.md names them"):
        new_dataset("x", tmp_path / "x", tmp_path / "x.yaml")
    names = "\n".join(f"        '{n}': {name}" for n, name in enumerate(NAMES))
    card = f"---\ndataset_info:\n  features:\n  - name: image\n    dtype: image\n  - name: label\n    dtype:\n      class_label:\n       names:\n{names}\n---\n"
    (tmp_path / "x" / "README.md").write_text(card)
    assert new_dataset("x", tmp_path / "x", tmp_path / "x.yaml").classes == (
        "polka dotted",
        "Knitted",
        "crane",
    )


def test_several_labels_an_image_are_refused_as_such(tmp_path):
    """A list of numbers lacks no names: it is not one class an image."""
    write_tables(tmp_path / "x", {"test": labelled(3)}, NAMES)
    (file,) = (tmp_path / "x" / "data").iterdir()
    table = pq.read_table(file)
    at = table.schema.get_field_index("label")
    lists = pa.array([[label] for label in table["label"].to_pylist()])
    pq.write_table(table.set_column(at, "label", lists).replace_schema_metadata(None), file)
    with pytest.raises(ConfigError, match="one class an image is measured, and a list is several"):
        new_dataset("x", tmp_path / "x", tmp_path / "x.yaml")


def test_another_shard_makes_the_split_stale(tmp_path):
    """Names alone do not tell two tars apart: their size and time do."""
    from susx.pipeline.split_identity import split_identity

    write_webdataset(tmp_path / "x", {"test": labelled(4)}, NAMES)
    config = new_dataset("x", tmp_path / "x", tmp_path / "x.yaml")
    before = split_identity(config, read_split(config, tmp_path, "test"))
    assert before == split_identity(config, read_split(config, tmp_path, "test"))
    (tmp_path / "x" / "test" / "0.tar").unlink()
    (tmp_path / "x" / "test").rmdir()
    write_webdataset(tmp_path / "x", {"test": labelled(4, 50)}, NAMES)
    again = read_split(config, tmp_path, "test")
    assert split_identity(config, again) != before
    assert np.asarray(again.image(0))[0, 0, 0] == 50


BAD = {
    "no-labels": ("holds no column of labels", lambda f: _table(f, image=[{"bytes": shade(1), "path": None}])),
    "no-images": ("holds no column of images", lambda f: _table(f, label=["a"])),
    "two-labels": ("several columns of labels: label, category", lambda f: _table(f, image=[{"bytes": b"", "path": None}], label=["a"], category=["b"])),
    "not-parquet": ("cannot be read as a .parquet table", lambda f: f.write_bytes(b"PAR1 is not enough")),
    "two-spellings": ("both called 'a b'", lambda f: _table(f, image=[{"bytes": b"", "path": None}] * 2, label=["a b", "a_b"])),
}  # fmt: skip


def _table(file: Path, **columns: list) -> None:
    pq.write_table(pa.table(columns), file)


@pytest.mark.parametrize("case", BAD)
def test_tables_that_cannot_be_used_say_why(case, tmp_path):
    """One paragraph, and nothing is written."""
    says, write = BAD[case]
    (tmp_path / "x").mkdir()
    write(tmp_path / "x" / "test.parquet")
    with pytest.raises(ConfigError, match=says):
        new_dataset("x", tmp_path / "x", tmp_path / "x.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_table_beside_class_folders_changes_nothing(tmp_path):
    """Features or notes that lie in a folder of folders do not make it a data set of tables."""
    for name in ("hat", "scarf"):
        (tmp_path / "x" / name).mkdir(parents=True)
        (tmp_path / "x" / name / "1.png").write_bytes(shade(1))
    _table(tmp_path / "x" / "notes.parquet", path=["hat/1.png"], width=[8])
    config = new_dataset("x", tmp_path / "x", tmp_path / "x.yaml")
    assert config.classes == ("hat", "scarf")
    assert config.reader.kind == "imagefolder"


def test_a_table_of_paths_names_the_image_it_does_not_hold(tmp_path):
    """Descriptions need labels alone; reading the picture says what is missing."""
    (tmp_path / "x").mkdir()
    images = pa.array(
        [{"bytes": None, "path": "a.jpg"}], pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    )
    pq.write_table(pa.table({"image": images, "label": ["a"]}), tmp_path / "x" / "test.parquet")
    found = read_split(new_dataset("x", tmp_path / "x", tmp_path / "x.yaml"), tmp_path, "test")
    with pytest.raises(ConfigError, match=r"names its image \(a\.jpg\) and does not hold it"):
        found.image(0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not a tar at all" * 64, "cannot be read as an uncompressed tar"),
        (None, "expected a number from 0 to 2"),
    ],
)
def test_damaged_webdatasets_say_why(content, says, tmp_path):
    """A shard that is no tar; a class number beyond the list."""
    write_webdataset(tmp_path / "x", {"test": [(shade(1), 7)]}, NAMES)
    if content:
        (tmp_path / "x" / "test" / "0.tar").write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        new_dataset("x", tmp_path / "x", tmp_path / "x.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_csv_of_a_spreadsheet_is_read_as_it_was_described(tmp_path):
    """A byte order mark, blanks around cells, a tab between them."""
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.png").write_bytes(shade(9))
    text = "path\tclass\tsplit\na.png\t red hat \tTest \na.png\tscarf\tTrain\n"
    (tmp_path / "x" / "list.tsv").write_text(text, encoding="utf-8-sig")
    config = new_dataset("x", tmp_path / "x" / "list.tsv", tmp_path / "x.yaml")
    assert config.classes == ("red hat", "scarf")
    found = read_split(config, tmp_path, "test")
    assert found.labels == (0,)
    assert np.asarray(found.image(0))[0, 0, 0] == 9
    (tmp_path / "x" / "list.tsv").write_text(text + "b.png\n", encoding="utf-8-sig")
    with pytest.raises(ConfigError, match="line 4 lacks its path or its class"):
        read_split(config, tmp_path, "test")


@pytest.mark.parametrize(
    "card",
    [
        "---\ndataset_info: words\n---\n",
        "---\n[\n---\n",
        "no front matter",
        "---\ndataset_info:\n  features: 3\n---\n",
    ],
)
def test_cards_of_any_kind_are_no_traceback(card, tmp_path):
    """What a README says is anybody's."""
    write_tables(tmp_path / "x", {"test": labelled(3)}, NAMES, marked=False)
    (tmp_path / "x" / "README.md").write_text(card)
    assert len(new_dataset("x", tmp_path / "x", tmp_path / "x.yaml").classes) == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "no path column"),
        ("path,x\n1,2\n", "no class column"),
        ("path,class\n1,\n", "names no classes"),
        ("", "no heading"),
    ],
)
def test_csvs_that_cannot_be_used_say_why(text, says, tmp_path):
    """What was looked for and what there is."""
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(ConfigError, match=says):
        new_dataset("x", tmp_path / "x.csv", tmp_path / "x.yaml")
