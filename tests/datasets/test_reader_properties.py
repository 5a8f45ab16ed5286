"""What every reader keeps, found in the registry; what one layout has of its own: ``test_dataset_readers.py``, ``test_layouts.py``."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from susx.config import DatasetConfig, load_dataset
from susx.config.readers import READERS, known_readers
from susx.datasets import TargetSplit, check_dataset, read_split
from susx.errors import ConfigError
from susx.testing.data_sets import write_tables, write_webdataset

NAMES = ("zebra", "ant hill", "crane")
"""Not sorted, so that no order of folders is that of the labels."""
SPLITS = ("val", "test")

Samples = Mapping[str, Sequence[tuple[bytes, int]]]


def shade(level: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (level, level, level)).save(file, "PNG")
    return file.getvalue()


def place(file: Path, image: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(image)


def coop(folder: Path, samples: Samples) -> dict[str, Any]:
    rows: dict[str, list[list[object]]] = {split: [] for split in samples}
    for split, images in samples.items():
        for number, (image, label) in enumerate(images):
            place(folder / f"{split}{number}.png", image)
            rows[split].append([f"{split}{number}.png", 0, NAMES[label]])
    (folder / "split.json").write_text(json.dumps(rows))
    return {}


def table(folder: Path, samples: Samples) -> dict[str, Any]:
    lines = ["path,class,split"]
    for split, images in samples.items():
        for number, (image, label) in enumerate(images):
            place(folder / f"{split}{number}.png", image)
            lines.append(f"{split}{number}.png,{NAMES[label]},{split}")
    (folder / "labels.csv").write_text("\n".join(lines))
    return {"split_column": "split"}


def folders(folder: Path, samples: Samples) -> dict[str, Any]:
    for split, images in samples.items():
        for number, (image, label) in enumerate(images):
            place(folder / split / NAMES[label] / f"{split}{number}.png", image)
    return {"val": "val", "test": "test"}


def tables(folder: Path, samples: Samples) -> dict[str, Any]:
    write_tables(folder, samples, NAMES)
    return {}


def tars(folder: Path, samples: Samples) -> dict[str, Any]:
    write_webdataset(folder, samples, NAMES)
    return {}


def torchvision_dtd(folder: Path, samples: Samples) -> dict[str, Any]:
    base = folder / "dtd" / "dtd"
    for split, images in samples.items():
        listed = []
        for number, (image, label) in enumerate(images):
            place(base / "images" / NAMES[label] / f"{split}{number}.png", image)
            listed.append(f"{NAMES[label]}/{split}{number}.png")
        (base / "labels").mkdir(exist_ok=True)
        (base / "labels" / f"{split}1.txt").write_text("\n".join(listed) + "\n")
    return {"dataset": "DTD", "val": "val", "test": "test"}


COPIES: dict[str, Callable[[Path, Samples], dict[str, Any]]] = {
    "coop": coop, "csv": table, "imagefolder": folders, "datasets": tables, "webdataset": tars, "torchvision": torchvision_dtd,
}  # fmt: skip
"""How a copy is written in a reader's layout -> the reader's options. ``demo`` alone reads no copy: it draws."""

every = pytest.mark.parametrize("kind", sorted(READERS.keys() - {"demo"}))


def copy(kind: str, root: Path) -> DatasetConfig:
    """Write a copy whose image of grey level ``10 n`` has class ``n mod 3``, and describe it."""
    samples = {
        split: [(shade(10 * n), n % 3) for n in range(first, first + count)]
        for split, first, count in (("val", 1, 4), ("test", 5, 8))
    }
    return described(kind, COPIES[kind](root / "things", samples))


def described(kind: str, options: dict[str, Any], classes: Sequence[str] = NAMES) -> DatasetConfig:
    reader = {"kind": kind, "folder": "things", "options": options}
    return DatasetConfig.model_validate({"name": "things", "classes": classes, "reader": reader})


def split_of(config: DatasetConfig, root: Path, split: Any) -> TargetSplit:
    taken = read_split(config, root, split)
    assert taken is not None
    return taken


@every
def test_every_picture_has_the_class_it_was_written_with(kind: str, tmp_path: Path) -> None:
    """By name, whatever the order of folders or numbers in files; val and test share no picture."""
    config = copy(kind, tmp_path)
    levels: dict[str, list[int]] = {}
    for split in SPLITS:
        taken = split_of(config, tmp_path, split)
        levels[split] = [round(int(np.asarray(image)[0, 0, 0]) / 10) for image in taken.images()]
        assert [config.classes[label] for label in taken.labels] == [NAMES[n % 3] for n in levels[split]]
        assert len(set(taken.names)) == len(taken)
    assert {split: sorted(shown) for split, shown in levels.items()} == {
        "val": [*range(1, 5)], "test": [*range(5, 13)],
    }  # fmt: skip


@every
def test_classes_in_another_order_change_labels_alone(kind: str, tmp_path: Path) -> None:
    """A label is a position in the class list; reading twice gives the same."""
    config = copy(kind, tmp_path)
    moved = config.model_copy(update={"classes": NAMES[::-1]})
    for split in SPLITS:
        first, second, again = (split_of(c, tmp_path, split) for c in (config, moved, config))
        assert first.names == second.names == again.names
        assert first.labels == again.labels == tuple(2 - label for label in second.labels)


@every
def test_a_copy_that_is_not_there_is_no_split(kind: str, tmp_path: Path) -> None:
    """Without a data root, and in an empty one: None, so that an alternative is tried; nothing is made there."""
    options = copy(kind, tmp_path / "written").reader.options  # type: ignore[union-attr]
    empty = tmp_path / "empty"
    empty.mkdir()
    for split in SPLITS:
        assert read_split(described(kind, options), None, split) is None  # type: ignore[arg-type]
        assert read_split(described(kind, options), empty, split) is None  # type: ignore[arg-type]
    assert not [*empty.iterdir()]


@every
def test_a_class_of_the_copy_that_is_not_in_the_list_is_refused(kind: str, tmp_path: Path) -> None:
    """By its name; where the file itself says which there are, class map and ``ignore`` are the ways out."""
    options = copy(kind, tmp_path).reader.options  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="ant hill"):
        split_of(described(kind, options, ("zebra", "crane")), tmp_path, "test")


@every
def test_a_check_counts_what_was_written(kind: str, tmp_path: Path) -> None:
    """``susx datasets check`` reads every layout."""
    check = check_dataset(copy(kind, tmp_path), tmp_path)
    assert check.ok, check.problems
    assert {s.split: (s.images, s.per_class, s.missing, s.undecodable) for s in check.splits} == {
        "val": (4, (1, 2, 1), (), {}), "test": (8, (3, 2, 3), (), {}),
    }  # fmt: skip


def test_the_demo_draws_what_it_is_asked_for() -> None:
    """It reads no copy: no root, no options, no split."""
    config = described("demo", {"test": 2}, ("banded", "grid"))
    assert split_of(config, None, "test").labels == (0, 0, 1, 1)  # type: ignore[arg-type]
    assert read_split(config, None, "val") is None


def test_every_reader_is_on_the_page_of_data_sets() -> None:
    """A user finds what ``kind`` may say."""
    page = Path(__file__).parents[2] / "docs" / "how-to" / "own-data-set.md"
    row = next(
        line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `reader` |")
    )
    assert all(f"`{kind}`" in row for kind in READERS)


READER = """
from susx.datasets.label_map import LabelMap
from susx.datasets.readers.file_splits import assemble


def read_pairs(config, reader, root, split):
    file = None if root is None else root / reader.folder / f"{split}.txt"
    if file is None or not file.is_file():
        return None
    pairs = [line.split(maxsplit=1) for line in file.read_text().splitlines()]
    rows = ((file.parent / image, name, image) for image, name in pairs)
    return assemble(rows, LabelMap(config.classes, reader.class_map), reader, file)
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A package on the path whose entry point offers a reader; forgotten afterwards."""
    facts = tmp_path / "site" / "pairs-1.0.dist-info"
    facts.mkdir(parents=True)
    (tmp_path / "site" / "pairs_reader.py").write_text(READER)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: pairs\nVersion: 1.0\n")
    entry = facts / "entry_points.txt"
    entry.write_text("[susx.readers]\npairs = pairs_reader:read_pairs\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    known_readers.cache_clear()
    yield entry
    known_readers.cache_clear()
    sys.modules.pop("pairs_reader", None)


def test_a_reader_of_another_package_is_read_and_checked(plugin: Path, tmp_path: Path) -> None:
    """One function and one entry point."""
    for number in range(3):
        place(tmp_path / "things" / f"{number}.png", shade(number))
    (tmp_path / "things" / "test.txt").write_text("0.png zebra\n1.png ant hill\n2.png crane\n")
    config = described("pairs", {})
    assert split_of(config, tmp_path, "test").labels == (0, 1, 2)
    assert check_dataset(config, tmp_path).ok


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pairs = pairs_reader:lost", "'pairs' of susx.readers .* cannot be loaded: AttributeError"),
        ("pairs = pairs_lost:read", "'pairs' of susx.readers .* cannot be loaded: ModuleNotFoundError"),
        ("pairs = pairs_reader:__name__", "'pairs' of susx.readers .* is no function"),
    ],
)
def test_an_offer_that_cannot_be_used_is_named(plugin: Path, tmp_path: Path, line: str, words: str) -> None:
    """With the package's own line."""
    plugin.write_text(f"[susx.readers]\n{line}\n")
    known_readers.cache_clear()
    with pytest.raises(ConfigError, match=words):
        read_split(described("pairs", {}), tmp_path, "test")


def test_an_offer_under_a_known_name_is_refused(plugin: Path) -> None:
    """Whoever offers it."""
    plugin.write_text("[susx.readers]\ncsv = pairs_reader:read_pairs\n")
    known_readers.cache_clear()
    with pytest.raises(ConfigError, match=r"'csv' of susx\.readers .* the name of a known reader"):
        known_readers()


def test_an_unknown_reader_is_refused_with_its_line(tmp_path: Path) -> None:
    """When the description is read, before anything is looked for."""
    file = tmp_path / "things.yaml"
    file.write_text("name: things\nclasses: [a]\nreader:\n  kind: cvs\n  folder: x\n")
    with pytest.raises(
        ConfigError, match=r"line 4: reader\.kind: there is no reader 'cvs'\. Did you mean 'csv'\?"
    ):
        load_dataset(str(file))
