"""A labelled folder as people have corrected it since its table was written: what every reader of labels but the page itself wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from susx.labelling.answers_file import Answer, AnswerFile, last_words
from susx.labelling.corrections import CORRECTIONS, Corrections
from susx.labelling.label_result import LabelResult
from susx.types import Digest

__all__ = ["as_corrected", "corrected_labels", "has_all", "with_corrections"]


def as_corrected(result: LabelResult) -> LabelResult:
    """Return the labels with every answer in ``corrections.csv``; the same result where the table has them all.

    Raises:
        InputError: the file is no CSV of answers.
        StoreError: the features that the labels follow from are gone.
    """
    if result.folder is None:
        return result
    lines = AnswerFile(result.folder / CORRECTIONS).read()
    corrected = corrected_labels(result, lines)
    return result if not lines or has_all(result, corrected) else result.relabel(corrected)


def corrected_labels(result: LabelResult, lines: Sequence[Answer]) -> dict[Digest, str]:
    """Return digest -> what people have said of each image, "" for none of these.

    What the lines say of an image holds for it and its near-duplicates, an answer taken back among them. Answers that the table has from
    elsewhere (``susx label --corrections``) stay.
    """
    frame = result.frame
    images = dict(zip(frame["path"], frame["digest"], strict=True))
    asked = {line.digest or images.get(line.path, "") for line in lines}
    settled = set(frame.loc[frame["digest"].isin(asked), "group"])
    elsewhere = frame[frame["by_person"] & ~frame["group"].isin(settled)]
    corrected = dict(zip(elsewhere["digest"], elsewhere["label"], strict=True))
    return corrected | Corrections(last_words(lines)).by_digest(images)


def has_all(result: LabelResult, corrected: Mapping[Digest, str]) -> bool:
    """Whether the table says of each image what people said, and of no other that a person said it."""
    from susx.labelling.judge import answers

    frame = result.frame
    wanted = answers(frame["digest"].tolist(), frame["group"].tolist(), result.classes, corrected).labels
    there = [
        label if by_person else None
        for label, by_person in zip(frame["label"], frame["by_person"], strict=True)
    ]
    return list(wanted) == there


def with_corrections(result: LabelResult, corrected: Mapping[Digest, str]) -> LabelResult:
    """Return the labels with further answers beside those that the table has; near-duplicates that share one answer share the new one.

    Raises:
        InputError, StoreError: as ``LabelResult.relabel``.
    """
    of_people = result.frame[result.frame["by_person"]]
    shared = of_people.groupby("group")["label"].nunique() == 1
    renewed = set(result.frame.loc[result.frame["digest"].isin(list(corrected)), "group"]) & set(
        shared[shared].index
    )
    earlier = of_people[~of_people["group"].isin(renewed)]
    return result.relabel({**dict(zip(earlier["digest"], earlier["label"], strict=True)), **corrected})
