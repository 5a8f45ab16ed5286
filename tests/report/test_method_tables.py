"""Tables say what metrics.json says, in a form other programs read."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from susx.commands.report import app
from susx.errors import ConfigError, InputError
from susx.report import read_metrics, write_report
from susx.report.method_tables import compare_rows, method_rows, render_table
from susx.report.sample import sample_report


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two reports; the second has another seed, a better TIP-X and no method tuned on val."""
    folder = tmp_path_factory.mktemp("runs")
    one = dataclasses.replace(sample_report(classes=2, per_class=1), support=())
    methods = list(one.methods[:-1])
    methods[3] = dataclasses.replace(methods[3], top1=0.651)
    two = dataclasses.replace(one, methods=tuple(methods), run=dataclasses.replace(one.run, seed=1))
    for name, data in (("one", one), ("two", two)):
        write_report(data, folder / name)
    return [folder / "one", folder / "two"]


def test_every_row_has_all_axes(runs: list[Path]) -> None:
    """A row of the table names prompts, source, encoder, method, tuning and seed."""
    header, rows = method_rows({"one": read_metrics(runs[0])})
    row = dict(zip(header, rows[3], strict=True))
    assert row["method"] == "signatures"
    assert (row["prompts"], row["source"], row["encoder"], row["tuning"]) == (
        "cupl",
        "retrieved",
        "susx-tiny",
        "support",
    )
    assert (row["top-1"], row["95 % interval"], row["gain"], row["seed"]) == (
        "60.10",
        "58.0, 62.1",
        "+5.30",
        "0",
    )
    assert row["data set"] == "dtd (toy models)"


def test_csv_is_read_back(runs: list[Path]) -> None:
    """The csv has the same cells."""
    header, rows = method_rows({"one": read_metrics(runs[0])})
    found = list(csv.reader(io.StringIO(render_table(header, rows, "csv"))))
    assert found == [list(header), *map(list, rows)]


def test_special_characters_do_not_break_a_table() -> None:
    """Bars in markdown, and what LaTeX reads as commands, are escaped."""
    assert render_table(["a"], [["x|y"]], "markdown").splitlines()[2] == "| x\\|y |"
    latex = render_table(["a_b"], [["50 % & \\more"]], "latex")
    assert r"a\_b \\" in latex
    assert r"50 \% \& \textbackslash{}more \\" in latex


def test_side_by_side_shows_what_differs(runs: list[Path]) -> None:
    """Seeds differ and are shown, profiles do not and are not; differences are to the first run; a gap is a dash."""
    header, rows = compare_rows({run.name: read_metrics(run) for run in runs})
    assert header == ("", "one", "two")
    table = {row[0]: row[1:] for row in rows}
    assert table["seed"] == ("0", "1")
    assert "profile" not in table
    assert table["signatures (support)"][1].endswith("(+5.00)")
    assert table["signatures (val)"][1] == "-"
    assert "(" not in table["reference"][0]


def test_runs_with_other_prompts_are_compared(runs: list[Path], tmp_path: Path) -> None:
    """The prompts are what differs: a line says so, and every method stands beside itself."""
    one = dataclasses.replace(sample_report(classes=2, per_class=1), support=())
    other = tuple(dataclasses.replace(row, prompts="photo") for row in one.methods)
    write_report(dataclasses.replace(one, methods=other), tmp_path)
    _header, rows = compare_rows({"cupl": read_metrics(runs[0]), "photo": read_metrics(tmp_path)})
    table = {row[0]: row[1:] for row in rows}
    assert table["prompts"] == ("cupl", "photo")
    assert len([row for row in rows if "(" in row[0] or row[0] == "reference"]) == len(one.methods)
    assert "-" not in {cell for row in rows for cell in row}


@pytest.mark.parametrize("form", ["markdown", "latex", "csv"])
def test_commands_print_tables(runs: list[Path], form: str) -> None:
    """``table`` and ``compare`` print every format to standard output."""
    result = CliRunner().invoke(app, ["table", str(runs[0]), "--format", form])
    assert result.exit_code == 0
    assert "60.10" in result.stdout
    result = CliRunner().invoke(app, ["compare", *map(str, runs), "--format", form])
    assert result.exit_code == 0
    assert "+5.00" in result.stdout


def test_compare_for_reading_tells_equal_folder_names_apart(runs: list[Path], tmp_path: Path) -> None:
    """Two folders called alike are named by as much of their paths as differs."""
    copy = tmp_path / "elsewhere" / "one"
    copy.mkdir(parents=True)
    (copy / "metrics.json").write_text((runs[0] / "metrics.json").read_text())
    result = CliRunner().invoke(
        app, ["compare", str(runs[0]), str(copy / "metrics.json")], env={"COLUMNS": "200"}
    )
    assert result.exit_code == 0
    assert "elsewhere/one" in result.stdout


def test_what_is_no_report_is_refused(runs: list[Path], tmp_path: Path) -> None:
    """A missing report, broken JSON, another layout, an unknown format and a lone run are each one sentence."""
    with pytest.raises(InputError, match="No report at"):
        read_metrics(tmp_path)
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(InputError, match="not the metrics"):
        read_metrics(tmp_path)
    (tmp_path / "metrics.json").write_text(json.dumps({"schema": 99}))
    with pytest.raises(InputError, match="layout 99"):
        read_metrics(tmp_path)
    result = CliRunner().invoke(app, ["table", str(runs[0]), "--format", "latx"])
    assert isinstance(result.exception, ConfigError)
    assert "latex" in str(result.exception)
    assert isinstance(CliRunner().invoke(app, ["compare", str(runs[0])]).exception, ConfigError)
