"""Whoever waits for a command is told what is being done, in a pipe as in a terminal."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from susx import activity
from susx.activity import Telling, at_rest, doing, sentence
from susx.cli import main
from susx.demo.textures import render
from susx.features.feature_folder import write_features
from susx.features.feature_set import FeatureSet, Split


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines come at once and often."""
    monkeypatch.setattr(activity, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(activity, "EVERY_SECONDS", 0.004)


def told(bars: bool, work: bool = True) -> list[str]:
    lines: list[str] = []
    with Telling(lines.append, "susx x", bars=bars), doing("A bar", 3, shown=work) as advance:
        advance(1)
        deadline = time.monotonic() + (10 if not (bars and work) else 0.1)
        while not any("1 of 3" in line for line in lines) and time.monotonic() < deadline:
            time.sleep(0.005)
    return lines


@pytest.mark.parametrize(
    ("bars", "shown", "lines"), [(False, True, True), (True, False, True), (True, True, False)]
)
def test_what_has_no_bar_is_told_in_lines(bars: bool, shown: bool, lines: bool) -> None:
    """In a pipe everything; in a terminal what has no bar there."""
    assert any("A bar (1 of 3)" in line for line in told(bars, shown)) == lines


def test_the_outermost_and_the_innermost_are_told() -> None:
    """A stage, its job, and what the job is at; what has ended is no part of it, whatever ended it."""
    with doing("Encode images", 5) as advance:
        advance(2)
        with doing("fetch/cat"), doing("encode images", 900) as inner:
            inner(320)
            assert sentence() == "Encode images (2 of 5), fetch/cat, encode images (320 of 900)"
        with pytest.raises(ValueError, match="x"), doing("fails"):
            raise ValueError("x")
        assert sentence() == "Encode images (2 of 5)"
    assert sentence() == ""


def test_a_service_that_answers_is_silent() -> None:
    """What waits for others does nothing; the next command of the process speaks again."""
    lines: list[str] = []
    with Telling(lines.append, "susx serve", bars=False):
        at_rest()
        time.sleep(0.05)
        before = len(lines)
        time.sleep(0.05)
        assert len(lines) <= before + 1
    assert told(bars=False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks")
def test_a_forked_child_has_its_own() -> None:
    """What its parent was at is none of its work."""
    with doing("parent"):
        child = os.fork()
        if not child:
            os._exit(0 if sentence() == "" else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_short_command_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing comes of a command that takes less than some seconds."""
    monkeypatch.setattr(activity, "FIRST_SECONDS", 60.0)
    main(["profiles", "list"])
    assert capfd.readouterr().err == ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of two textures, features of them, and a list of their names."""
    base = tmp_path_factory.mktemp("waiting")
    for name in ("dotted", "woven"):
        (base / "photos" / name).mkdir(parents=True)
        for number in range(24):
            picture = Image.fromarray(render(name, "web", "train", number))
            picture.save(base / "photos" / name / f"{number}.png")
    (base / "names.txt").write_text("dotted\nwoven\n")
    rows = torch.nn.functional.normalize(
        torch.randn(40, 16, generator=torch.Generator().manual_seed(0)), dim=1
    )
    labels = torch.arange(40) % 2
    write_features(
        FeatureSet(("dotted", "woven"), rows[:2], support=Split(rows, labels), test=Split(rows, labels)),
        base / "features",
    )
    (base / "experiment.yaml").write_text(
        "name: e\ndatasets: {d: {features: features}}\nmethods: [linear_probe]\nshots: [4, 8]\ndraws: 10\n"
    )
    return base


COMMANDS = {
    "encode photos --out f": "encode images",
    "index build ix --images photos --tool susx": "images of the index (",
    "evaluate --features features --methods tip_x": "fit tip_x/",
    "label photos --classes names.txt --out labels --no-pool": "encode images",
    "experiment experiment.yaml --out result": "fit linear_probe/",
}


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_tells_what_it_is_at(
    line: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In a pipe, on standard error, under its own name."""
    monkeypatch.chdir(folder)
    main(line.split())
    said = capfd.readouterr().err
    lines = [one for one in said.splitlines() if one.startswith(f"susx {line.split()[0]}: ")]
    assert any(COMMANDS[line] in one for one in lines), said[-2000:]
    assert all(one.endswith(" s") for one in lines)
