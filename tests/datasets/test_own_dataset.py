"""Describing one's own data set, and the commands around data sets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from susx.commands.datasets import app
from susx.config import load_dataset
from susx.datasets import new_dataset, read_split
from susx.errors import ConfigError


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)


def test_a_text_file_becomes_a_data_set(tmp_path):
    """A name a line, in the order of the lines; comments and blank lines are left out."""
    source = tmp_path / "names.txt"
    source.write_text('# my things\nred/blue scarf\n\n  O\'Neill "surf" board 🏄 \nno\n', encoding="utf-8")
    out = tmp_path / "sub" / "mine.yaml"
    new_dataset("mine", source, out)
    assert load_dataset(str(out)).classes == ("red/blue scarf", 'O\'Neill "surf" board 🏄', "no")


def test_a_folder_of_folders_becomes_a_data_set_that_can_be_read(tmp_path):
    """Folder names are mapped to class names in the YAML, not guessed later."""
    for name in ("big_dog", "Cat"):
        for i in range(30):
            picture(tmp_path / "pets" / name / f"{i}.png")
    out = tmp_path / "pets.yaml"
    new_dataset("pets", tmp_path / "pets", out)
    config = load_dataset(str(out))
    assert config.classes == ("Cat", "big dog")
    found = read_split(config, tmp_path, "test")
    assert {
        name.split("/")[0]: config.classes[label]
        for name, label in zip(found.names, found.labels, strict=True)
    } == {
        "big_dog": "big dog",
        "Cat": "Cat",
    }


def test_an_existing_file_is_kept_without_force(tmp_path):
    """The message names --force; nothing is lost."""
    source, out = tmp_path / "n.txt", tmp_path / "o.yaml"
    source.write_text("a\n")
    out.write_text("precious")
    with pytest.raises(ConfigError, match="--force"):
        new_dataset("x", source, out)
    assert out.read_text() == "precious"
    new_dataset("x", source, out, force=True)
    assert load_dataset(str(out)).classes == ("a",)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "names no classes"), ("# only this\n", "names no classes"), ("a\nb\na\n", "listed twice")],
)
def test_bad_lists_are_refused_and_nothing_is_written(tmp_path, text, message):
    """Empty lists and repeated names."""
    source = tmp_path / "n.txt"
    source.write_text(text)
    with pytest.raises(ConfigError, match=message):
        new_dataset("x", source, tmp_path / "o.yaml")
    assert not (tmp_path / "o.yaml").exists()


def test_a_missing_or_empty_source_is_refused(tmp_path):
    """A file that is not there, and a folder without folders."""
    with pytest.raises(ConfigError, match="cannot be read"):
        new_dataset("x", tmp_path / "gone.txt", tmp_path / "o.yaml")
    with pytest.raises(ConfigError, match="holds no folders"):
        new_dataset("x", tmp_path, tmp_path / "o.yaml")


def test_the_commands_list_inform_check_and_make(tmp_path):
    """Exit codes say whether a copy is good."""
    run = CliRunner()
    listed = json.loads(run.invoke(app, ["list", "--json"]).stdout)
    assert {"imagenet", "dtd", "textures"} <= {row["name"] for row in listed}
    assert "search 'stingray'" in run.invoke(app, ["info", "cifar100"]).stdout
    assert run.invoke(app, ["check", "textures"]).exit_code == 0
    missing = run.invoke(app, ["check", "dtd", "--data-root", str(tmp_path)])
    assert missing.exit_code == 1
    assert "Get it from https://" in missing.stderr
    (tmp_path / "n.txt").write_text("one\ntwo\n")
    made = run.invoke(
        app, ["new", "mine", "--from", str(tmp_path / "n.txt"), "--out", str(tmp_path / "mine.yaml")]
    )
    assert made.exit_code == 0
    assert "2 classes" in made.stdout
