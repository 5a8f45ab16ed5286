"""Tables keep numbers and names whole at every width; texts wrap between words."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

import susx
from susx.cli import main
from susx.commands.terminal_table import Column, print_table
from susx.features.feature_folder import write_features
from susx.features.feature_set import FeatureSet, Split

METHODS = ("zero_shot", "whitened_prototypes (is zero-shot)", "tip_x_published")
COLUMNS = (
    Column("method", "name"), Column("tuning", "name"), Column("top-1 %", "number"), Column("95 % interval", "number"),
    Column("gain", "number"), Column("counts"),
)  # fmt: skip


def shown(columns, rows, width) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    print_table(console, "A title", columns, rows)
    return console.file.getvalue().splitlines()


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(40, 200),
    top1=st.lists(st.floats(0, 100), min_size=1, max_size=4),
    words=st.lists(
        st.sampled_from(["3 images", "12 unreadable", "a rather long account of things"]), max_size=6
    ),
)
def test_numbers_and_names_stay_whole(width, top1, words):
    """Each stands on one line as it is, and no line is wider than the terminal unless a name alone is."""
    rows = [
        (
            METHODS[i % 3],
            "support",
            f"{v:.2f}",
            f"{v - 1.5:.2f} to {v + 1.5:.2f}",
            f"{v - 50:+.2f}",
            ", ".join(words),
        )
        for i, v in enumerate(top1)
    ]
    lines = shown(COLUMNS, rows, width)
    for row in rows:
        for cell in row[:5]:
            assert any(cell in line for line in lines), (cell, lines)
    assert max(map(len, lines)) <= max(width, len("whitened_prototypes (is zero-shot)  support"))
    assert not any("…" in line for line in lines)


def test_a_narrow_terminal_gets_blocks_and_a_wide_one_a_table():
    """Which it is follows from what must stay whole."""
    row = ("whitened_prototypes", "fixed", "15.78", "12.31 to 19.25", "+1.20", "weight 6, bias 1")
    assert "│" in "".join(shown(COLUMNS, [row], 100))
    narrow = shown(COLUMNS, [row], 60)
    assert narrow[1] == "whitened_prototypes  fixed"
    assert "top-1 % 15.78" in narrow[2]


@pytest.mark.parametrize("width", [80, 100, 160])
def test_evaluate_and_status_cut_nothing(width, tmp_path, monkeypatch, capsys):
    """The commands themselves, at three widths."""
    import torch

    monkeypatch.setenv("COLUMNS", str(width))
    generator = torch.Generator().manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(40, 8, generator=generator))
    labels = torch.arange(40) % 4
    split = Split(rows, labels)
    write_features(
        FeatureSet(tuple("abcd"), rows[:4], 20.0, split, split, split, source="made"), tmp_path / "f"
    )
    main(
        [
            "evaluate",
            "--features",
            str(tmp_path / "f"),
            "--tuning",
            "fixed,val",
            "--json",
            str(tmp_path / "r.json"),
        ]
    )
    printed = capsys.readouterr().out
    for row in json.loads((tmp_path / "r.json").read_text())["rows"]:
        assert row["method"] in printed
        assert re.search(rf"(?<!\d){100 * row['top1']:.2f}(?!\d)", printed)
        assert f"{100 * row['low']:.2f} to {100 * row['high']:.2f}" in printed
    main(["status", "--dataset", "textures", "--store", str(tmp_path / "s")])
    printed = capsys.readouterr().out
    assert "text-classifier" in printed
    assert "pool-statistics" in printed


def test_no_command_draws_a_table_of_its_own():
    """All go through the one that cuts nothing."""
    folder = Path(susx.__file__).parent
    using = {
        p.name
        for p in folder.rglob("*.py")
        if re.search(r"rich\.table import", p.read_text(encoding="utf-8"))
    }
    assert using == {"terminal_table.py"}
