"""What people said of the labels of a folder, for whoever learns or measures from it: one function reads it for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from susx.errors import InputError
from susx.labelling.answers_file import Answer, AnswerFile, last_words
from susx.types import Digest

__all__ = ["CORRECTIONS", "Corrections", "read_corrections"]

CORRECTIONS = "corrections.csv"


@dataclass(frozen=True)
class Corrections:
    """The word that counts for each image.

    Attributes:
        answers: by digest; by path where a line written by hand has no digest.
    """

    answers: Mapping[str, Answer]

    def __len__(self) -> int:
        return len(self.answers)

    def by_digest(self, images: Mapping[str, Digest]) -> dict[Digest, str]:
        """Return digest -> label ("" for none of these) of the images that are there.

        Args:
            images: path -> digest. An answer finds its image by digest, so a photograph may be moved or renamed; a line without a digest
                finds it by path.
        """
        there = set(images.values())
        named: dict[Digest, str] = {}
        for key, answer in self.answers.items():
            digest = answer.digest or images.get(key, "")
            if digest in there and (answer.digest or digest not in self.answers):
                named[digest] = answer.label
        return named

    def unknown(self, images: Mapping[str, Digest]) -> tuple[str, ...]:
        """Return the paths (digests where there is none) of answers about images that are not there."""
        there = set(images.values())
        return tuple(
            answer.path or answer.digest
            for answer in self.answers.values()
            if (answer.digest not in there if answer.digest else answer.path not in images)
        )

    def new_classes(self, classes: Iterable[str]) -> tuple[str, ...]:
        """Return labels that are no class of the list, each once, in the order in which they were first said."""
        labels = {"", *classes}
        return tuple(dict.fromkeys(a.label for a in self.answers.values() if a.label not in labels))


def read_corrections(source: Path | str) -> Corrections:
    """Read a file of corrections, or that of a labelled folder; a folder without one has none.

    Raises:
        InputError: there is no such file or folder, or it is no CSV of answers.
        StoreError: it cannot be read.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        path = path / CORRECTIONS
    elif not path.is_file():
        raise InputError(
            f"There are no corrections at {path}. Give a CSV of answers, or the folder that 'susx label FOLDER --out RESULT' wrote."
        )
    return Corrections(last_words(AnswerFile(path).read()))
