"""The figures of a paper: the numbers of the table, drawn for a browser and for LaTeX."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from susx.cli import main
from susx.errors import InputError
from susx.results import Result, read_result
from susx.results.axes import AXES, axes_of
from susx.results.draw_figure import draw
from susx.results.figures import KINDS, PaperFigure, paper_figure
from susx.results.paper_table import Layout, paper_table
from tests.results.test_paper_table import made

__all__ = ["made"]


@pytest.fixture(scope="module")
def result(made: Path) -> Result:
    return read_result(made / "result")


def figure(result: Result, kind: str) -> PaperFigure:
    where = ("tuning=fixed",) if kind == "shots" else ("tuning=fixed", "shots=4")
    return paper_figure([result], kind, Layout(columns=(), where=where))


def test_accuracy_over_shots_is_the_table(result: Result) -> None:
    """A line a method with its interval; what looks at no shots is level; groups are told in names where they must be."""
    shown = figure(result, "shots")
    names = [series.name for series in shown.series]
    assert "Zero-shot" in names
    assert {"GDA, names + pool", "GDA, names + shots"} <= set(names)
    [line] = [series for series in shown.series if series.name == "GDA, names + shots"]
    assert line.x == (2, 4)
    table = paper_table([result], Layout(columns=axes_of("shots"), where=("tuning=fixed",)))
    [row] = [r for g in table.groups for r in g.lines if (g.title, r.label) == ("names + shots", "GDA")]
    entry = row.cells[1].entry
    assert entry.value is not None
    assert entry.low is not None
    assert (line.y[0], line.low[0]) == pytest.approx((100 * entry.value, 100 * entry.low))
    [level] = [series for series in shown.series if series.name == "Zero-shot"]
    assert level.level
    assert level.y[0] == level.y[1]


def test_gains_by_data_set_and_cost(result: Result) -> None:
    """Paired gains with the mean; seconds are those of the rows. Zero-shot has no gain over itself."""
    gains = figure(result, "gains")
    assert gains.ticks == ("one", "half_two", "mean")
    assert not any("Zero-shot" in series.name for series in gains.series)
    assert all(series.low[0] <= series.y[0] <= series.high[0] for series in gains.series)
    assert gains.caption.startswith("Gain over Zero-shot in points")
    cost = figure(result, "cost")
    [gda] = [series for series in cost.series if series.name == "GDA, names + pool"]
    rows = [row.seconds for row in result.rows if (row.method, row.access) == ("gda", ("names", "pool"))]
    assert gda.x[0] == pytest.approx(sum(rows) / len(rows))


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_for_itself(result: Result, kind: str) -> None:
    """It asks the network for nothing, and holds its numbers as a table."""
    shown = figure(result, kind)
    page = draw(shown, "html")
    assert "default-src 'none'" in page
    assert not re.search(r'<(?:script|link|img)[^>]{0,200}(?:src|href)="https?://', page)
    for series in shown.series:
        assert f"<td>{series.name}</td>" in page
        assert f"{series.y[0]:.2f}" in page


@pytest.mark.skipif(
    shutil.which("kpsewhich") is None
    or not subprocess.run(["kpsewhich", "pgfplots.sty"], capture_output=True).stdout,
    reason="no pgfplots on this machine",
)
def test_a_real_latex_draws_them(result: Result, tmp_path: Path) -> None:
    """All three, with pgfplots and its library alone."""
    head = r"\documentclass{article}\usepackage{pgfplots}\pgfplotsset{compat=1.15}\usepgfplotslibrary{fillbetween}\begin{document}"
    document = "\n".join([head, *(draw(figure(result, kind), "latex") for kind in KINDS), r"\end{document}"])
    (tmp_path / "f.tex").write_text(document, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "f.tex"], cwd=tmp_path, capture_output=True, text=True
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "f.pdf").stat().st_size > 10_000


def test_the_command_and_what_it_refuses(
    result: Result, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ending says the format; an unknown kind, ending and nothing to draw are a paragraph."""
    main(
        [
            "report",
            "figure",
            str(made / "result"),
            "--out",
            str(tmp_path / "f.tex"),
            "--where",
            "tuning=fixed",
        ]
    )
    assert r"\begin{tikzpicture}" in (tmp_path / "f.tex").read_text()
    assert "f.tex: Top-1 accuracy" in capsys.readouterr().out
    for flags, words in (
        (("--out", "f.png"), "does not end in .html or .tex"),
        (("--out", "f.tex", "--kind", "shot"), "Did you mean 'shots'"),
        (("--out", "f.tex", "--kind", "cost"), "no place for it"),
    ):
        with pytest.raises(SystemExit):
            main(["report", "figure", str(made / "result"), *flags])
        assert words in " ".join(capsys.readouterr().err.split())
    with pytest.raises(InputError, match="nothing to draw as 'gains'"):
        paper_figure(
            [result], "gains", Layout(columns=(), where=("method=zero_shot",), group=(AXES["access"],))
        )
