"""``susx evaluate`` and ``susx import-features`` on files of features."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from susx.cli import main
from susx.features.feature_folder import read_features, write_features
from susx.features.feature_set import FeatureSet, Split
from susx.methods import Need, known_methods

REAL = os.environ.get("SUSX_REAL_DATA")
CLASSES, DIM = 5, 16


def folder(path: Path, *, test: bool = True) -> Path:
    """A feature folder whose support is better than its prompts."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(CLASSES, DIM, generator=generator))

    def split(count: int) -> Split:
        labels = torch.arange(CLASSES).repeat_interleave(count)
        noise = 0.5 * torch.randn(len(labels), DIM, generator=generator)
        return Split(torch.nn.functional.normalize(centres[labels] + noise), labels)

    text = torch.nn.functional.normalize(centres + 0.5 * torch.randn(CLASSES, DIM, generator=generator))
    names = tuple("abcde")
    held = FeatureSet(
        names, text, 20.0, split(8), split(20), split(30) if test else None, source="made for a test"
    )
    return write_features(held, path)


def run(*arguments: str, out: Path) -> dict:
    main(["evaluate", *arguments, "--json", str(out)])
    return json.loads(out.read_text())


def timeless(row: dict) -> dict:
    return {name: value for name, value in row.items() if name != "seconds"}


def test_table_has_every_method_and_protocol(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without further flags every method that the features allow is measured under every protocol."""
    found = run("--features", str(folder(tmp_path / "f")), out=tmp_path / "rows.json")
    rows = {(row["method"], row["tuning"]): row for row in found["rows"]}
    protocols = ("fixed", "support", "val")
    able = {n: m for n, m in known_methods().items() if m.row_wise and m.needs <= {Need.SUPPORT, Need.POOL}}
    assert {"zero_shot", "whitened_prototypes", "tip_adapter", "tip_x"} <= set(able)
    assert set(rows) == {(n, p) for n, m in able.items() for p in (protocols if m.axes else "-")}
    assert all(row["n"] == 150 and row["low"] <= row["top1"] <= row["high"] for row in rows.values())
    assert rows["tip_x", "val"]["top1"] > rows["zero_shot", "-"]["top1"]
    printed = capsys.readouterr().out
    assert "made for a test" in printed
    assert f"{100 * rows['zero_shot', '-']['top1']:.2f}" in printed


def test_pool_is_the_support(tmp_path: Path) -> None:
    """With a pool the support is retrieved from it, and named in the table."""
    features = folder(tmp_path / "f")
    (tmp_path / "pool").mkdir()
    held = read_features(features)
    assert held.support is not None
    np.save(tmp_path / "pool" / "features.npy", held.support.features.numpy().astype(np.float16))
    flags = (
        "--features",
        str(features),
        "--pool",
        str(tmp_path / "pool"),
        "--per-class",
        "4",
        "--methods",
        "tip_x",
    )
    found = run(*flags, "--tuning", "fixed", out=tmp_path / "rows.json")
    assert [row["support"] for row in found["rows"]] == ["-", "pool, 4 a class"]
    assert found["rows"][0]["gain"] is None
    assert found["rows"][1]["gain_low"] <= found["rows"][1]["gain"] <= found["rows"][1]["gain_high"]


def test_few_shots_are_averaged_over_three_seeds(tmp_path: Path) -> None:
    """Each number of shots is a row with three runs, their mean and interval."""
    flags = (
        "--features",
        str(folder(tmp_path / "f")),
        "--shots",
        "1,8",
        "--methods",
        "tip_adapter",
        "--tuning",
        "val",
    )
    found = run(*flags, out=tmp_path / "rows.json")
    rows = found["rows"]
    assert [(row["method"], row["support"], row["draw"]) for row in rows] == [
        ("zero_shot", "-", None), *(("tip_adapter", "1 shots", draw) for draw in (1, 2, 3)), ("tip_adapter", "8 shots", None),
    ]  # fmt: skip
    (one,), eight = found["means"], rows[-1]
    assert [row["top1"] for row in rows[1:4]] == [draw["top1"] for draw in one["runs"]]
    assert [draw["seed"] for draw in one["runs"]] == [1, 2, 3]
    assert one["top1"] == pytest.approx(sum(draw["top1"] for draw in one["runs"]) / 3)
    # All eight images of a class are the same eight whatever the seed: one run, its interval over images.
    assert eight["runs"] == []
    assert eight["low"] < eight["top1"] < eight["high"] or eight["top1"] == 1
    assert one["low"] < one["high"]
    for row in (one, eight):
        assert row["gain"] == pytest.approx(row["top1"] - rows[0]["top1"])
        assert row["gain_low"] <= row["gain"] <= row["gain_high"]


def test_the_number_of_draws_is_an_option(tmp_path: Path) -> None:
    """A row is the mean of as many draws as are asked for; without shots there is nothing to draw."""
    flags = ("--features", str(folder(tmp_path / "f")), "--tuning", "fixed", "--shots", "2")
    rows = run(*flags, "--draws", "5", out=tmp_path / "rows.json")["means"]
    # Labelled shots need no pool: the default method is among those that run.
    assert {row["method"] for row in rows} >= {"whitened_prototypes", "tip_adapter", "tip_x"}
    assert all(len(row["runs"]) == 5 for row in rows)


def test_a_missing_test_split_is_half_of_validation(tmp_path: Path) -> None:
    """Validation is halved by class, the same halves for the same seed."""
    flags = (
        "--features",
        str(folder(tmp_path / "f", test=False)),
        "--methods",
        "tip_adapter",
        "--tuning",
        "val",
    )
    first = run(*flags, out=tmp_path / "one.json")
    assert "half of validation" in first["rows"][0]["split"]
    assert first["rows"][0]["n"] == 50
    again = run(*flags, out=tmp_path / "two.json")
    assert [timeless(row) for row in again["rows"]] == [timeless(row) for row in first["rows"]]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--shots", "0"), "numbers from 1 up"),
        (("--draws", "2"), "--shots 1,2,4"),
        (("--shots", "16"), "no class has more than 8"),
        (("--shots", "1", "--pool", "."), "two sources"),
        (("--methods", "tipx"), "tip_x"),
        (("--tuning", "best"), "no tuning protocol 'best'"),
    ],
)
def test_refusals_are_one_paragraph(flags: tuple[str, ...], words: str, tmp_path: Path, capsys) -> None:
    """What cannot be done exits with code 2 and says why on standard error."""
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", "--features", str(folder(tmp_path / "f")), *flags])
    assert stopped.value.code == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_import_writes_what_was_read(tmp_path: Path) -> None:
    """A converted folder is read back as the same features."""
    source = folder(tmp_path / "f")
    main(["import-features", "--features", str(source), "--out", str(tmp_path / "g")])
    before, after = read_features(source), read_features(tmp_path / "g")
    assert before.test is not None
    assert after.test is not None
    assert torch.equal(before.test.features, after.test.features)
    assert before.class_names == after.class_names


@pytest.mark.skipif(REAL is None, reason="SUSX_REAL_DATA is not set: no real features to measure on")
def test_real_textures_zero_shot(tmp_path: Path) -> None:
    """Zero-shot CLIP ViT-B/32 on DTD is 44.80 %."""
    path = str(Path(str(REAL)) / "clip-vit-b-32" / "dtd")
    rows = run("--features", path, "--methods", "zero_shot", out=tmp_path / "rows.json")["rows"]
    assert round(100 * rows[0]["top1"], 2) == 44.80


def test_a_method_that_trains_is_set_and_resumed(tmp_path: Path) -> None:
    """`--set` reaches the method; checkpoints stay in the folder given, and a second run takes them from there."""
    flags = ("--features", str(folder(tmp_path / "f")), "--methods", "tip_adapter_f", "--tuning", "fixed,val")
    flags += ("--set", "tip_adapter_f.epochs=3", "--checkpoints", str(tmp_path / "kept"), "--device", "cpu")
    first = run(*flags, out=tmp_path / "rows.json")["rows"]
    assert [(row["method"], row["tuning"]) for row in first[1:]] == [
        ("tip_adapter_f", "fixed"), ("tip_adapter_f", "val"),
    ]  # fmt: skip
    (kept,) = (tmp_path / "kept").iterdir()
    before = kept.stat().st_mtime_ns
    again = run(*flags, out=tmp_path / "rows.json")["rows"]
    assert [timeless(row) for row in again] == [timeless(row) for row in first]
    assert kept.stat().st_mtime_ns == before
    with pytest.raises(SystemExit):
        main(["evaluate", *flags, "--set", "tip_x.alpha=1"])
