"""``susx evaluate --json/--out``: the result of an experiment, for one or several data sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from susx.cli import main
from susx.encoder_id import EncoderId
from susx.errors import InputError
from susx.features.feature_folder import read_features, write_features
from susx.features.feature_set import FeatureSet, Split
from susx.results import is_result, read_result
from susx.results.image_predictions import read_images
from susx.store import digest_file
from tests.commands.test_features_command import folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result of two data sets, two methods, two draws."""
    root = tmp_path_factory.mktemp("results")
    for name in ("one", "two"):
        folder(root / name)
    flags = [
        "--features",
        str(root / "one"),
        "--features",
        str(root / "two"),
        "--methods",
        "zero_shot,tip_adapter",
    ]
    main([
        "evaluate", *flags, "--shots", "2,4", "--draws", "2", "--tuning", "fixed,val", "--out", str(root / "result"),
        "--json", str(root / "result.json"),
    ])  # fmt: skip
    return root


def test_a_row_says_what_it_is_and_what_was_looked_at(made: Path) -> None:
    """Two data sets x (zero-shot + two protocols x two shots x two draws), each with its access and its looks at labels."""
    result = read_result(made / "result")
    assert len(result.rows) == 2 * (1 + 2 * 2 * 2)
    by = {(row.dataset, row.tuning, row.shots, row.draw): row for row in result.rows}
    tuned, fixed, plain = by["one", "val", 4, 2], by["one", "fixed", 4, 2], by["two", "-", None, None]
    assert plain.access == ("names",)
    assert (fixed.access, fixed.labelled_images, fixed.validation_images, fixed.looks) == (
        ("names", "shots"),
        20,
        0,
        0,
    )
    assert tuned.access == ("names", "shots", "validation")
    assert tuned.validation_images == 100
    assert tuned.looks > 100
    assert all(0 < (row.ece or 0) < 1 and 0 < (row.auroc or 0) < 1 for row in result.rows)
    assert all(row.n == 150 and row.seed == 0 for row in result.rows)


def test_inputs_versions_and_machine_are_told(made: Path) -> None:
    """With the digest of every file that was read."""
    facts = read_result(made / "result").facts
    [one, two] = facts["inputs"]
    assert one["files"]["features.safetensors"] == digest_file(made / "one" / "features.safetensors")
    assert two["path"] == str(made / "two")
    assert {"susx", "torch", "python"} <= set(facts["versions"])
    assert facts["machine"]["cores"] >= 1


def test_what_was_said_of_every_image_is_kept(made: Path) -> None:
    """Predictions, confidence and logits; the row's numbers follow from them."""
    result = read_result(made / "result")
    names = read_features(made / "one").class_names
    for row in result.rows:
        file = result.images_of(row)
        assert file is not None
        frame = pd.read_parquet(file)
        logits = np.stack(frame["logits"].to_list())
        assert [names[at] for at in logits.argmax(axis=1)] == frame["predicted"].tolist()
        assert (frame["predicted"] == frame["label"]).mean() == pytest.approx(row.top1)
        said = read_images(file)
        assert said.right.mean() == pytest.approx(row.top1)
        if row.gain is not None:
            assert said.right.mean() - said.zero_shot_right.mean() == pytest.approx(row.gain)
    assert len({row.images for row in result.rows}) == len(result.rows)


def test_json_and_folder_are_one_format(made: Path) -> None:
    """The file lacks the images alone; the parquet of rows holds the same numbers."""
    alone, whole = read_result(made / "result.json"), read_result(made / "result")
    assert [row.top1 for row in alone.rows] == [row.top1 for row in whole.rows]
    assert not any(alone.images_of(row) for row in alone.rows)
    assert alone.means == whole.means
    frame = pd.read_parquet(made / "result" / "rows.parquet")
    assert frame["top1"].tolist() == [row.top1 for row in whole.rows]


def test_results_of_other_versions_are_refused(made: Path, tmp_path: Path) -> None:
    """One of before the format, one of a later version, one that was altered, none at all: a paragraph each."""
    value = json.loads((made / "result.json").read_text())
    cases: dict[str, tuple[object, str]] = {
        "before": ({"rows": [], "source": "", "split": ""}, "before results had a format"),
        "later": ({**value, "version": 2}, "version 2, this susx reads version 1"),
        "altered": ({**value, "rows": [{"method": 3}]}, "not those of a result"),
        "other": ({"format": "x"}, "no format 'susx-result'"),
    }
    for name, (content, words) in cases.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match=words):
            read_result(tmp_path / f"{name}.json")
    with pytest.raises(InputError, match="No result at"):
        read_result(tmp_path / "nothing")
    assert is_result(tmp_path / "before.json")
    assert not is_result(tmp_path / "other.json")


def refused(capsys: pytest.CaptureFixture[str], *line: object) -> str:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in line])
    assert ended.value.code == 2
    return " ".join(capsys.readouterr().err.split())


def test_data_sets_that_do_not_belong_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Named twice, of two widths, of two encoders; a folder that holds something else is left alone."""
    folder(tmp_path / "a")
    folder(tmp_path / "below" / "a")
    both = ("--features", tmp_path / "a", "--features", tmp_path / "below" / "a")
    assert "Two data sets are called 'a'" in refused(capsys, "evaluate", *both)
    held = read_features(tmp_path / "a")

    def other(name: str, encoder: str, width: int) -> Path:
        half = {
            s: Split(getattr(held, s).features[:, :width], getattr(held, s).labels)
            for s in ("support", "test")
        }
        return write_features(
            FeatureSet(held.class_names, held.text[:, :width], encoder=EncoderId(encoder), **half),
            tmp_path / name,
        )

    for name, encoder, width, words in (
        ("b", "", 8, "two encoders made them"), ("c", "ViT-B-32", 16, ""), ("d", "RN50", 16, "c was encoded by ViT-B-32, d by RN50"),
    ):  # fmt: skip
        made = other(name, encoder, width)
        if words:
            first = tmp_path / ("a" if width == 8 else "c")
            assert words in refused(capsys, "evaluate", "--features", first, "--features", made)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    assert "holds something else" in refused(
        capsys, "evaluate", "--features", tmp_path / "a", "--out", tmp_path / "full"
    )
    assert (tmp_path / "full" / "thesis.tex").exists()
