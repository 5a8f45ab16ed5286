"""Audits on the disk, and the command that draws them and says what they promise."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from susx.errors import InputError
from susx.labelling.answers_file import Answer, AnswerFile, now
from susx.labelling.audit import promise
from susx.labelling.audit_files import answers_of, draw_anew, latest_audit, take_answers, write_questions
from susx.labelling.label_result import LabelResult
from tests.labelling.conftest import make_result

COMMAND = """
import sys
import typer
from susx.commands.label_audit import audit
from susx.errors import SusxError
app = typer.Typer(add_completion=False)
app.command()(audit)
try:
    sys.exit(app(args=sys.argv[1:], standalone_mode=False))
except SusxError as error:
    sys.exit(f"refused: {error}")
"""


def run(*words: str | Path) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, "-c", COMMAND, *map(str, words)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def labelled(tmp_path: Path) -> LabelResult:
    """Two hundred labels, every fifth wrong; no photograph is needed."""
    return make_result(tmp_path, 200, drawn=0)


def test_an_audit_is_read_as_it_was_drawn(labelled: LabelResult) -> None:
    """The same labels, design and questions; another is number 2."""
    folder = labelled.folder
    assert folder is not None
    assert latest_audit(folder) is None
    drawn = draw_anew(folder, labelled.frame, 40, error=None, share=0.5, level=0.95)
    read = latest_audit(folder)
    assert read is not None
    assert (read.number, read.design, read.level, read.error, read.made) == (
        1,
        drawn.design,
        0.95,
        None,
        drawn.made,
    )
    pd.testing.assert_frame_equal(read.labels, drawn.labels, check_exact=False)
    assert draw_anew(folder, labelled.frame, 10, error=0.1, share=None, level=0.9).number == 2
    again = latest_audit(folder)
    assert again is not None
    assert (again.number, again.error) == (2, 0.1)


def test_damage_is_named(labelled: LabelResult) -> None:
    """A cut or emptied file is one paragraph."""
    folder = labelled.folder
    assert folder is not None
    draw_anew(folder, labelled.frame, 40, error=None, share=0.5, level=0.95)
    table = folder / "audits" / "1" / "labels.csv"
    table.write_bytes(table.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"The audit in .* is damaged"):
        latest_audit(folder)
    (folder / "audits" / "1" / "audit.json").write_text("{")
    with pytest.raises(InputError, match=r"The audit in .* is damaged"):
        latest_audit(folder)


def test_answers_are_taken_from_a_filled_in_table(labelled: LabelResult, tmp_path: Path) -> None:
    """Empty labels are no answers, strangers are named, the same table twice adds nothing, corrections never count."""
    folder = labelled.folder
    assert folder is not None
    audit = draw_anew(folder, labelled.frame, 20, error=None, share=1.0, level=0.95)
    table = tmp_path / "mine.csv"
    write_questions(audit, {}, table)
    rows = list(csv.DictReader(table.open(newline="")))
    assert [row["path"] for row in rows] == list(audit.questions["path"])
    for row in rows[:5]:
        row["label"] = row["labelled_as"]
    rows[5]["label"] = "none of these"
    rows.append({"path": "stranger.jpg", "digest": "", "labelled_as": "", "label": "dotted"})
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert take_answers(folder, audit, table, labelled.classes, "ann") == (6, ("stranger.jpg",))
    assert take_answers(folder, audit, table, labelled.classes, "ann") == (0, ("stranger.jpg",))
    AnswerFile(folder / "corrections.csv").append(
        [Answer(now(), "", audit.questions["digest"].iloc[9], "dotted", "ann")]
    )
    made = promise(audit, answers_of(folder))
    assert (made.asked, made.answered, made.wrong) == (20, 6, 1)
    write_questions(audit, answers_of(folder), table)
    assert len(list(csv.DictReader(table.open(newline="")))) == 14


def test_the_command_from_the_draw_to_the_promise(labelled: LabelResult, tmp_path: Path) -> None:
    """Draws, takes answers, promises, writes what is released; another question afterwards is refused."""
    folder = labelled.folder
    assert folder is not None
    code, said, _ = run(folder, "--n", "80", "--share", "0.5")
    assert code == 0
    assert "Audit 1 is drawn: 80 of 100 labels" in said
    assert "80 of 80 images wait for an answer" in said
    questions = folder / "audits" / "1-questions.csv"
    rows = pd.read_csv(questions, keep_default_na=False)
    rows["label"] = rows["labelled_as"]
    rows.loc[0, "label"] = "something else"
    rows.to_csv(tmp_path / "filled.csv", index=False)
    code, said, noted = run(folder, "--answers", tmp_path / "filled.csv", "--released", tmp_path / "out.csv")
    assert (code, noted) == (0, "")
    assert "80 new answers." in said
    assert "Of the 100 labels with a confidence of" in said
    assert "with 95 % confidence (1 wrong of 80 looked at)." in said
    assert len(pd.read_csv(tmp_path / "out.csv")) == 100
    code, _, refused = run(folder, "--error", "0.02")
    assert code != 0
    assert (
        "Audit 1 was drawn with no --error. Another question after its answers were seen is another audit"
        in refused
    )
    code, said, _ = run(folder, "--error", "0.02", "--n", "100", "--again")
    assert "Audit 2 is drawn" in said
    assert "No label can be released at an error of 2 % with 95 % confidence." in said


def test_labels_that_changed_since_are_said(labelled: LabelResult) -> None:
    """A promise is about the labels as they were drawn; a person's corrections since then are no change."""
    folder = labelled.folder
    assert folder is not None
    run(folder, "--n", "10", "--share", "1")
    frame = labelled.frame.copy()
    frame.loc[:2, "label"] = "paisley"
    frame.loc[3, ["label", "by_person"]] = ["paisley", True]
    LabelResult(labelled.record, frame, model=labelled.class_model()).write(folder)
    _, _, noted = run(folder)
    assert "3 labels of the folder are other ones since audit 1 was drawn" in " ".join(noted.split())


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    """One paragraph that says which folder to give."""
    code, _, refused = run(tmp_path)
    assert code != 0
    assert "holds no labels" in refused
    assert "Traceback" not in refused
