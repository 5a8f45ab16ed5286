"""The table of a paper: what is averaged, ranked, marked and audited; what it refuses."""

from __future__ import annotations

import csv
import dataclasses
import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from susx.cli import main
from susx.evaluation import compare, holm, over_draws, pooled_mean
from susx.features.feature_folder import read_features, write_features
from susx.features.feature_set import FeatureSet, Split
from susx.pipeline.executors import InlineExecutor
from susx.pipeline.experiment_graph import measure_experiment, plan_experiment
from susx.pipeline.experiment_result import finish_experiment
from susx.results import Result, read_result
from susx.results.axes import axes_of
from susx.results.entries import Measures
from susx.results.paper_table import Cell, Layout, PaperTable, paper_table
from susx.results.render import FORMATS, render
from susx.store import ArtefactStore
from tests.commands.test_features_command import folder


def experiment(root: Path, described: dict, out: str) -> Path:
    (root / "e.yaml").write_text(yaml.safe_dump(described, sort_keys=False))
    planned = plan_experiment(root / "e.yaml", command="susx experiment e.yaml")
    store = ArtefactStore(root / "store")
    finish_experiment(planned, measure_experiment(planned, InlineExecutor(store)), store, root / out)
    return root / out


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two data sets, three methods, shots and pool, two protocols, a failed number of shots."""
    root = tmp_path_factory.mktemp("table")
    for name in ("one", "half_two"):
        held = read_features(folder(root / name))
        assert held.test is not None
        if name == "half_two":
            part = torch.arange(0, len(held.test), 2)
            test = Split(held.test.features[part], held.test.labels[part])
            write_features(dataclasses.replace(held, test=test), root / name)
    held = read_features(root / "one")
    assert held.support is not None
    (root / "pool").mkdir()
    np.save(root / "pool" / "features.npy", held.support.features.numpy())
    described = {
        "datasets": {name: {"features": name, "pool": "pool"} for name in ("one", "half_two")},
        "methods": ["tip_adapter", "gda", {"tip_x": {"alpha": 2}}], "access": ["pool", "shots"], "shots": [2, 4], "draws": 2,
        "tuning": ["fixed", "val"],
    }  # fmt: skip
    experiment(root, described, "result")
    experiment(root, {**described, "shots": [2, 100], "tuning": ["fixed"], "access": ["shots"]}, "failed")
    return root


@pytest.fixture(scope="module")
def result(made: Path) -> Result:
    return read_result(made / "result")


def table(result: Result, **changes: object) -> PaperTable:
    layout = Layout(columns=axes_of("shots"), where=("tuning=fixed",))
    return paper_table([result], dataclasses.replace(layout, **changes))


def cells(shown: PaperTable) -> dict[tuple[str, str, str], Cell]:
    return {
        (group.title, line.label, column): cell
        for group in shown.groups
        for line in group.lines
        for column, cell in zip(shown.columns, line.cells, strict=True)
    }


def said(result: Result, row) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    frame = pd.read_parquet(str(result.images_of(row)))
    right = (frame["label"] == frame["predicted"]).to_numpy()
    return frame["image"].to_numpy(), right, frame["zero_shot_right"].to_numpy()


def test_groups_are_accesses_and_zero_shot_has_no_shots(result: Result) -> None:
    """Names, then pool, then shots; a column for none; what was not measured is a dash."""
    shown = table(result)
    assert [group.title for group in shown.groups] == ["names", "names + pool", "names + shots"]
    assert shown.columns == ("0", "2", "4")
    assert [line.label for line in shown.groups[2].lines] == ["Tip-Adapter", "GDA", "TIP-X (alpha = 2)"]
    assert cells(shown)["names", "Zero-shot", "2"].entry.value is None
    assert shown.caption == (
        "Top-1 accuracy (%), mean over one and half_two, mean of 2 draws where something is drawn"
    )


def test_an_entry_is_the_mean_over_draws_and_data_sets(result: Result) -> None:
    """Value, interval and paired gain follow from what was said of every image, all data sets resampled together."""
    entry = cells(table(result))["names + shots", "GDA", "2"].entry
    rows = [row for row in result.rows if (row.method, row.tuning, row.shots) == ("gda", "fixed", 2)]
    assert len(rows) == len(entry.rows) == 4
    assert entry.value == pytest.approx(np.mean([row.top1 for row in rows]))
    parts, gains = [], []
    for name in ("one", "half_two"):
        held = [said(result, row) for row in rows if row.dataset == name]
        images = [image for image, _, _ in held]
        parts.append(over_draws(images, [right for _, right, _ in held]))
        gains.append(over_draws(images, [right.astype(float) - plain for _, right, plain in held]))
    expected, gain = pooled_mean(parts), pooled_mean(gains)
    assert (entry.low, entry.high) == (expected.low, expected.high)
    assert (entry.gain, entry.gain_low, entry.gain_high) == (gain.value, gain.low, gain.high)
    assert entry.n == 150 + 75


def test_one_run_has_its_own_interval_and_mcnemars_p(result: Result) -> None:
    """With a column a data set; a mean stands beside them."""
    shown = table(result, columns=axes_of("dataset"), where=("tuning=fixed", "access=names+pool,names"))
    assert shown.columns == ("one", "half_two", "mean")
    entry = cells(shown)["names + pool", "GDA", "one"].entry
    [row] = entry.rows
    _, right, plain = said(result, row)
    paired = compare(torch.from_numpy(plain), torch.from_numpy(right))
    assert (entry.low, entry.high, entry.p_value) == (row.low, row.high, paired.p_value)
    both = [cells(shown)["names + pool", "GDA", name].entry.value for name in ("one", "half_two")]
    assert cells(shown)["names + pool", "GDA", "mean"].entry.value == pytest.approx(np.mean(both))


def test_best_and_second_are_within_a_group_and_column(result: Result) -> None:
    """What reads the same shares a rank; a method alone in its group has none."""
    shown = cells(table(result))
    assert shown["names", "Zero-shot", "0"].rank == 0
    for group, column in (("names + pool", "0"), ("names + shots", "2"), ("names + shots", "4")):
        held = {key: cell for key, cell in shown.items() if (key[0], key[2]) == (group, column)}
        read = {key: round(100 * cell.entry.value, 1) for key, cell in held.items() if cell.entry.value}
        best = max(read.values())
        assert {key for key, cell in held.items() if cell.rank == 1} == {
            k for k, v in read.items() if v == best
        }
        below = [v for v in read.values() if v < best]
        if list(read.values()).count(best) == 1:
            assert {key for key, cell in held.items() if cell.rank == 2} == {
                k for k, v in read.items() if v == max(below)
            }
    # Of errors the smallest is best.
    errors = cells(table(result, value="ece"))
    held = [cell for key, cell in errors.items() if (key[0], key[2]) == ("names + shots", "4")]
    assert min(held, key=lambda cell: cell.entry.value or 0).rank == 1


def test_marks_are_corrected_by_holm_over_the_table(result: Result) -> None:
    """Against zero-shot; with more comparisons an entry may lose its mark, and the number is said."""
    shown = table(result)
    tested = [cell for cell in cells(shown).values() if cell.entry.p_value is not None]
    corrected = holm([cell.entry.p_value or 0 for cell in tested])
    assert [bool(cell.mark) for cell in tested] == [p < 0.05 for p in corrected]
    assert any(cell.mark == "+" for cell in tested)
    assert any(f"Holm over the {len(tested)} comparisons" in note for note in shown.notes)
    assert not any(cell.mark for cell in cells(table(result, marks=False)).values())


def test_gains_over_another_method_are_paired(result: Result) -> None:
    """On the same images and draws; where the other was not measured there is none."""
    shown = cells(
        table(result, against="tip_adapter", columns=axes_of("shots"), where=("tuning=fixed", "dataset=one"))
    )
    assert shown["names + shots", "Tip-Adapter", "2"].entry.gain is None
    entry = shown["names + shots", "GDA", "2"].entry
    expected = []
    for row in entry.rows:
        [other] = [
            r
            for r in result.rows
            if (r.method, r.tuning, r.dataset, r.shots, r.draw)
            == ("tip_adapter", "fixed", "one", 2, row.draw)
        ]
        expected.append(said(result, row)[1].mean() - said(result, other)[1].mean())
    assert entry.gain == pytest.approx(np.mean(expected))


def test_who_looked_at_labels_is_told(result: Result) -> None:
    """Support that a person labelled, validation images and how often they were scored, per method and access."""
    shown = table(result, where=())
    lines = {(line.method, line.access, line.shots): line for line in shown.audit}
    plain, tuned = lines["Zero-shot", "names", "0"], lines["Tip-Adapter", "names + shots + validation", "4"]
    assert (plain.support, plain.validation, plain.looks) == ((0, 0), (0, 0), (0, 0))
    assert tuned.support == (20, 20)
    assert tuned.validation == (100, 100)
    assert tuned.looks[0] > 100
    assert tuned.measured == (75, 150)
    assert lines["GDA", "names + pool", "0"].support == (0, 0)


def test_failed_cells_stay_in_the_table(made: Path) -> None:
    """With their reasons beneath; the others have their numbers."""
    shown = table(read_result(made / "failed"))
    assert cells(shown)["names + shots", "GDA", "100"].entry.reason
    assert cells(shown)["names + shots", "GDA", "2"].entry.value is not None
    assert any("no class has more than 8" in note and "Failed (" in note for note in shown.notes)
    assert "failed" in render(shown, "markdown")


def test_without_a_data_set_there_is_no_mean(result: Result) -> None:
    """A mean over fewer data sets than its neighbours would not be comparable: a dash, and why."""
    fewer = dataclasses.replace(
        result, rows=tuple(row for row in result.rows if (row.method, row.dataset) != ("gda", "one"))
    )
    shown = table(fewer)
    entry = cells(shown)["names + shots", "GDA", "2"].entry
    assert (entry.value, entry.failed) == (None, False)
    assert any(note == "No mean (3): not measured on one." for note in shown.notes)
    assert "failed" not in render(shown, "markdown")


def test_every_format_holds_the_same_numbers(result: Result) -> None:
    """No name of a run; the unit once; gains beside accuracies."""
    shown = table(result, gains=True)
    entry = cells(shown)["names + shots", "GDA", "4"].entry
    assert entry.value is not None
    assert entry.gain is not None
    for form in FORMATS:
        text = render(shown, form)
        assert f"{100 * entry.value:.1f}" in text or f"{100 * entry.value:.4g}" in text, form
        assert f"{100 * entry.gain:+.1f}" in text or f"{100 * entry.gain:.4g}" in text, form
        assert text.count("accuracy (%)") + text.count(r"accuracy (\%)") == (form != "csv")
    lines = list(csv.DictReader(io.StringIO(render(shown, "csv"))))
    [line] = [
        one for one in lines if (one["looks_at"], one["row"], one["column"]) == ("names + shots", "GDA", "4")
    ]
    assert float(line["value"]) == pytest.approx(100 * entry.value, abs=1e-3)
    assert line["cells"] == "4"
    html = render(shown, "html")
    assert html.count("<strong>") == sum(cell.rank == 1 for cell in cells(shown).values())
    assert "Who looked at labels" not in render(shown, "markdown", audit=False)


@pytest.mark.parametrize("interval", ["pm", "range", "none"])
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX on this machine")
def test_a_real_latex_sets_it(result: Result, made: Path, tmp_path: Path, interval) -> None:
    """With booktabs and nothing else; names with underscores, intervals and gains; nothing runs out of the line."""
    failed = table(read_result(made / "failed"), interval=interval)
    shown = table(
        result, gains=True, interval=interval, columns=axes_of("dataset"), where=("tuning=fixed", "shots=4")
    )
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}" + "\n"
    document += render(shown, "latex") + render(failed, "latex") + r"\end{document}"
    (tmp_path / "t.tex").write_text(document, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"], cwd=tmp_path, capture_output=True, text=True
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "t.pdf").stat().st_size > 10_000
    assert "Overfull" not in done.stdout
    assert r"half\_two" in document


def report(capsys: pytest.CaptureFixture[str], *line: object) -> str:
    main(["report", "table", *map(str, line)])
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *line: object) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["report", "table", *map(str, line)])
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    return " ".join(told.err.split())


def test_the_command(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A result folder, its JSON, what `evaluate --json` wrote; columns are shots where they differ."""
    assert "| method / labelled images per class | 0 | 2 | 4 |" in report(
        capsys, made / "result", "--where", "tuning=fixed"
    )
    latex = report(
        capsys,
        made / "result",
        "--where",
        "shots=2",
        "--format",
        "latex",
        "--group",
        "access,tuning",
        "--digits",
        2,
    )
    assert r"\toprule" in latex
    assert "susx experiment e.yaml" in latex
    main(
        [
            "evaluate",
            "--features",
            str(made / "one"),
            "--methods",
            "tip_adapter",
            "--json",
            str(made / "rows.json"),
        ]
    )
    capsys.readouterr()
    assert "Tip-Adapter" in report(capsys, made / "rows.json", "--rows", "method,tuning")
    main([
        "evaluate", "--features", str(made / "one"), "--methods", "tip_adapter", "--tuning", "fixed", "--shots", "2", "--json",
        str(made / "shots.json"),
    ])  # fmt: skip
    capsys.readouterr()
    assert "was not kept (write a folder with --out)" in report(capsys, made / "shots.json")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "The rows differ in their tuning (fixed, val).* --where tuning=fixed"),
        (("--where", "tuning=fixed", "--columns", "dataset", "--group", ""), "differ in their .*Add it to --rows"),
        (("--rows", "metod"), "Did you mean 'method'"),
        (("--columns", "method"), "named twice"),
        (("--where", "shots=3"), "no row has the shots '3'. .*There are 0, 2, 4"),
        (("--where", "tuning"), "takes AXIS=VALUE"),
        (("--format", "word"), "no format 'word'"),
        (("--value", "f1"), "no value 'f1'"),
        (("--interval", "sd"), "no interval 'sd'"),
        (("--against", "tipx"), "no method 'tipx'"),
        (("--format", "csv", "--gains"), "--gains has no effect"),
    ],
)  # fmt: skip
def test_what_it_refuses(
    made: Path, flags: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is mixed without a word; each refusal says the way out."""
    import re

    line = (made / "result", "--group", "", *flags) if not flags else (made / "result", *flags)
    assert re.search(words.replace("(", r"\(").replace(")", r"\)"), refused(capsys, *line))


def test_results_on_different_files_do_not_mix(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A data set of one name that is not the same files; a report among results; a missing file of images."""
    held = read_features(made / "one")
    assert held.test is not None
    other = FeatureSet(
        held.class_names,
        held.text,
        20.0,
        held.support,
        None,
        Split(held.test.features[:50], held.test.labels[:50]),
    )
    write_features(other, tmp_path / "one")
    made_elsewhere = experiment(
        tmp_path, {"datasets": {"one": {"features": "one"}}, "methods": ["gda"], "shots": [2]}, "result"
    )
    assert "measured 'one' on different files" in refused(
        capsys, made / "result", made_elsewhere, "--where", "shots=2"
    )
    assert "is no result of an experiment" in refused(capsys, made / "result", tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(made / "result", copy)
    for file in (copy / "images" / "one").glob("gda*"):
        file.unlink()
    assert "what was said of the images cannot be read" in refused(capsys, copy, "--where", "tuning=fixed")


def test_a_result_replaced_in_its_place_is_read_anew(made: Path, tmp_path: Path) -> None:
    """The second table of a notebook is of what lies there now, whatever was read from the same path before."""
    shutil.copytree(made / "result", tmp_path / "result")
    result = read_result(tmp_path / "result")
    row = next(row for row in result.rows if result.images_of(row))
    measures = Measures({id(row): result}, (row,))
    before = measures.predictions(row)
    assert before is not None
    file = Path(str(result.images_of(row)))
    frame = pd.read_parquet(file)
    frame.iloc[1:].to_parquet(file)
    after = measures.predictions(row)
    assert after is not None
    assert len(after.images) == len(before.images) - 1
