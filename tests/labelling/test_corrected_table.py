"""A data set of what people said of a labelled folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from susx.commands.datasets import new
from susx.config import load_dataset
from susx.datasets import read_split
from susx.errors import ConfigError, InputError
from susx.labelling.answers_file import Answer, AnswerFile, now
from susx.labelling.corrections import CORRECTIONS
from susx.labelling.label_result import LabelResult


def say(result: LabelResult, *words: tuple[int, str, str]) -> None:
    assert result.folder is not None
    frame = result.frame
    AnswerFile(result.folder / CORRECTIONS).append(
        [
            Answer(now(), frame["path"][row], frame["digest"][row], label, "ann", action)
            for row, label, action in words
        ]  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("name", ["", CORRECTIONS])
def test_the_last_word_on_each_image_is_a_labelled_image(
    labelled: LabelResult, tmp_path: Path, name: str
) -> None:
    """Given as the folder or as its corrections: what was taken back, or is none of the classes, is left out; pictures are read."""
    assert labelled.folder is not None
    said = [(row, "banded" if row % 2 else "paisley", "say") for row in range(20)]
    say(labelled, *said, (0, "", "undo"), (1, "", "say"), (2, "dotted", "say"))
    out = tmp_path / "mine.yaml"
    new("mine", labelled.folder / name, out, "", False)
    config = load_dataset(str(out))
    assert set(config.classes) == {"banded", "paisley", "dotted"}
    read = {}
    for split in ("val", "test"):
        part = read_split(config, tmp_path.parent, split)  # type: ignore[arg-type]
        assert part is not None
        read.update({Path(str(source)).name: config.classes[label] for source, label in part.items})
    assert set(read.values()) <= {"banded", "paisley", "dotted"}
    assert 0 < len(read) <= 18
    assert all(
        label == ("dotted" if image == "00002.png" else "banded" if int(image[:5]) % 2 else "paisley")
        for image, label in read.items()
    )
    with pytest.raises(ConfigError, match="--force"):
        new("mine", labelled.folder, out, "", False)


def test_without_answers_there_is_no_data_set(labelled: LabelResult, tmp_path: Path) -> None:
    """It says where to answer, and writes nothing."""
    assert labelled.folder is not None
    with pytest.raises(InputError, match="Nobody gave an image"):
        new("mine", labelled.folder, tmp_path / "mine.yaml", "", False)
    assert not (tmp_path / "mine.yaml").exists()
