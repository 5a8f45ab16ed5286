"""``susx label audit``: how right the labels of a folder are, as a promise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    from susx.labelling.auditing import audit_labels
    from susx.labelling.label_result import LabelResult
    from susx.printable import for_terminal

    labelled = LabelResult.read(result)
    done = audit_labels(
        labelled, n, error=error, share=share, confidence=confidence, again=again, answers=answers
    )
    drawn, made = done.audit, done.promise
    if done.is_new:
        typer.echo(
            f"Audit {drawn.number} is drawn: {len(drawn.questions)} of {len(drawn.labels):,} labels, in {result / 'audits'}."
        )
    if answers is not None:
        typer.echo(f"{done.taken} new answers.")
    if done.strangers:
        named = ", ".join(for_terminal(name) for name in done.strangers[:3]) + (
            " ..." if len(done.strangers) > 3 else ""
        )
        typer.echo(
            f"note: {len(done.strangers)} answers are about images that this audit does not ask about: {named}",
            err=True,
        )
    for line in done.sentences:
        typer.echo(for_terminal(line))
    if done.questions is not None:
        typer.echo(
            f"{made.asked - made.answered} of {made.asked} images wait for an answer, and count as wrong until then: answer in the page "
            f"('susx label review {result}', Audit), or fill in the column 'label' of {done.questions} and give it with --answers."
        )
    if done.changed:
        typer.echo(
            f"note: {done.changed} labels of the folder are other ones since audit {drawn.number} was drawn ({drawn.made[:10]}). What is said is "
            "of the labels as they were then; for those of today add --again.",
            err=True,
        )
    if released is not None:
        rows = done.released()
        rows.to_csv(released, index=False, lineterminator="\n")
        typer.echo(f"{len(rows):,} labels are in {released}.")
