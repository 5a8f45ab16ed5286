"""Corrections as build, label and evaluate read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from susx.errors import InputError
from susx.labelling.answers_file import Answer, AnswerFile, now
from susx.labelling.corrections import CORRECTIONS, read_corrections

IMAGES = {"a.jpg": "d1", "b.jpg": "d2", "copy of b.jpg": "d2"}


def test_a_folder_without_corrections_has_none(tmp_path: Path) -> None:
    """And a path to nothing is a mistake."""
    assert len(read_corrections(tmp_path)) == 0
    with pytest.raises(InputError, match="no corrections at"):
        read_corrections(tmp_path / "nothing.csv")


def test_images_are_found_by_digest_and_strangers_are_named(tmp_path: Path) -> None:
    """A renamed photograph keeps its answer; an answer about a photograph that is not there is told, not applied."""
    log = AnswerFile(tmp_path / CORRECTIONS)
    log.append([
        Answer(now(), "before.jpg", "d1", "cat"), Answer(now(), "b.jpg", "d2", ""), Answer(now(), "gone.jpg", "d9", "ox"),
    ])  # fmt: skip
    corrections = read_corrections(tmp_path)
    assert corrections.by_digest(IMAGES) == {"d1": "cat", "d2": ""}
    assert corrections.unknown(IMAGES) == ("gone.jpg",)
    assert corrections.new_classes(["cat"]) == ("ox",)


def test_a_line_by_hand_finds_its_image_by_path(tmp_path: Path) -> None:
    """An answer with a digest goes before one by path alone."""
    path = tmp_path / "mine.csv"
    path.write_text("path,label,digest\na.jpg,dog,\nb.jpg,cow,\nb.jpg,ox,d2\nz.jpg,cat,\n")
    corrections = read_corrections(path)
    assert corrections.by_digest(IMAGES) == {"d1": "dog", "d2": "ox"}
    assert corrections.unknown(IMAGES) == ("z.jpg",)
