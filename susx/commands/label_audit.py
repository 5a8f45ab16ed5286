"""``susx label audit``: how right the labels of a folder are, as a promise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from susx.labelling.audit import Audit, Promise, Statement

__all__ = ["audit"]


def audit(
    result: Annotated[Path, typer.Argument(help="Folder that 'susx label FOLDER --out RESULT' wrote.")],
    n: Annotated[
        int | None, typer.Option("--n", min=1, help="Images that you will look at; 100 by default.")
    ] = None,
    error: Annotated[
        float | None,
        typer.Option("--error", help="Largest share of wrong labels in what is to be released, as 0.02."),
    ] = None,
    share: Annotated[
        float | None,
        typer.Option("--share", help="Of the labels, the most confident, that are audited, as 0.5."),
    ] = None,
    confidence: Annotated[
        float | None, typer.Option("--confidence", help="Of the promise; 0.95 by default.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Draw another audit; it has less of the risk.")
    ] = False,
    answers: Annotated[
        Path | None, typer.Option("--answers", help="CSV of path and label: take these answers.")
    ] = None,
    released: Annotated[
        Path | None, typer.Option("--released", help="CSV to write: the labels that the promise is about.")
    ] = None,
) -> None:
    """Draw a random audit of the labels of a folder, and say what the answers promise."""
    import getpass

    from susx.errors import InputError
    from susx.labelling.audit import promise
    from susx.labelling.audit_files import answers_of, draw_anew, latest_audit, take_answers, write_questions
    from susx.labelling.corrected import as_corrected
    from susx.labelling.result import LabelResult
    from susx.printable import for_terminal

    labelled = as_corrected(LabelResult.read(result))
    drawn = latest_audit(result)
    if drawn is None or again:
        drawn = draw_anew(
            result, labelled.frame, n or 100, error=error, share=share, level=confidence or 0.95
        )
        typer.echo(
            f"Audit {drawn.number} is drawn: {len(drawn.questions)} of {len(drawn.labels):,} labels, in {result / 'audits'}."
        )
    elif other := _other_question(drawn, n, error, share, confidence):
        raise InputError(
            f"Audit {drawn.number} was drawn with {other}. Another question after its answers were seen is another audit: add --again to draw "
            "one, or leave these options out."
        )
    if answers is not None:
        taken, strangers = take_answers(result, drawn, answers, labelled.classes, getpass.getuser())
        typer.echo(f"{taken} new answers.")
        if strangers:
            named = ", ".join(for_terminal(name) for name in strangers[:3]) + (
                " ..." if len(strangers) > 3 else ""
            )
            typer.echo(
                f"note: {len(strangers)} answers are about images that this audit does not ask about: {named}",
                err=True,
            )
    said_so_far = answers_of(result)
    made = promise(drawn, said_so_far)
    for line in _sentences(drawn, made):
        typer.echo(for_terminal(line))
    if made.answered < made.asked:
        questions = result / "audits" / f"{drawn.number}-questions.csv"
        write_questions(drawn, said_so_far, questions)
        typer.echo(
            f"{made.asked - made.answered} of {made.asked} images wait for an answer, and count as wrong until then: answer in the page "
            f"('susx label review {result}', Audit), or fill in the column 'label' of {questions} and give it with --answers."
        )
    if changed := _changed(drawn, labelled.frame):
        typer.echo(
            f"note: {changed} labels of the folder are other ones since audit {drawn.number} was drawn ({drawn.made[:10]}). What is said is of "
            "the labels as they were then; for those of today add --again.",
            err=True,
        )
    if released is not None:
        promised = made.released if drawn.error is not None else made.regions[-1]
        count = promised.labels if promised else 0
        drawn.labels.iloc[:count].to_csv(
            released, index=False, lineterminator="\n", columns=["path", "label", "confidence", "digest"]
        )
        typer.echo(f"{count:,} labels are in {released}.")


def _other_question(
    drawn: Audit, n: int | None, error: float | None, share: float | None, level: float | None
) -> str:
    """Return the options of the drawn audit that differ from what is asked now; "" where none does."""
    asked = {
        "--n": n and min(n, len(drawn.labels)),
        "--error": error,
        "--share": share,
        "--confidence": level,
    }
    then = {
        "--n": len(drawn.questions),
        "--error": drawn.error,
        "--share": drawn.share,
        "--confidence": drawn.level,
    }
    return ", ".join(
        f"{name} {then[name]}" if then[name] is not None else f"no {name}"
        for name, value in asked.items()
        if value is not None and value != then[name]
    )


def _sentences(drawn: Audit, made: Promise) -> list[str]:
    level = f"with {100 * drawn.level:g} % confidence"
    if not made.answered:
        return []
    lines = [f"{made.answered} of {made.asked} answered, {made.wrong} of those wrong."]
    if drawn.error is not None and made.released is not None:
        lines.append(
            f"T{_of(made.released)[1:]} can be released: at most {100 * drawn.error:g} % of them are wrong, {level} ({_seen(made, made.released)})."
        )
    elif drawn.error is not None:
        lines.append(f"No label can be released at an error of {100 * drawn.error:g} % {level}.")
    else:
        lines += [
            f"Of {_of(region)} at least {100 * region.least_right:.1f} % are right, {level} ({_seen(made, region)})."
            for region in made.regions
        ]
        if len(made.regions) > 1:
            lines.append("These hold together: choose any.")
    if made.by_class and made.answered:
        lines.append(f"By class, of the {len(drawn.labels):,} audited, all of these together {level}:")
        lines += [
            f"  {one.name}: at least {100 * one.least_right:.1f} % of {one.labels:,} ({one.wrong} wrong of {one.looked_at})"
            for one in made.by_class
        ]
    if drawn.number > 1:
        lines.append(
            f"This is audit {drawn.number}; what it and the earlier ones promise holds together {level}."
        )
    return lines


def _seen(made: Promise, region: Statement) -> str:
    what = "wrong" if made.answered == made.asked else "wrong or without an answer"
    return f"{region.wrong} {what} of {region.looked_at} looked at"


def _of(region: Statement) -> str:
    return f"the {region.labels:,} labels with a confidence of {region.threshold:.3f} and above"


def _changed(drawn: Audit, frame: object) -> int:
    """Return how many audited labels are other ones now, without those that a person corrected since."""
    import pandas as pd

    assert isinstance(frame, pd.DataFrame)
    today = dict(zip(frame["path"], zip(frame["label"], frame["said"], strict=True), strict=True))
    then = zip(drawn.labels["path"], drawn.labels["label"], strict=True)
    return sum(path in today and today[path][0] != label and not today[path][1] for path, label in then)
