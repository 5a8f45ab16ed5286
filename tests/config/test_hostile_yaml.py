"""Descriptions that somebody wrote to break things, or by mistake: one paragraph each, that names file and line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from susx.config import DatasetConfig, config_names, find_config, load_dataset, load_profile
from susx.config.yaml_text import parse_yaml
from susx.errors import ConfigError

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)

HOSTILE = {
    "deep": ("[" * 5000, "nested too deeply"),
    "deeper than a configuration": ("[" * 40 + "]" * 40, "line 1: nested too deeply"),
    "a bomb": (BOMB, "more than 1000000 values"),
    "itself": ("a: &a [*a]", "contains itself"),
    "a key twice": (
        "name: a\nclasses: [x]\nname: b\n",
        "line 3: the key 'name' is there twice (first in line 1)",
    ),
    "a key twice, deep down": ("hints:\n  a: {context: x, context: y}\n", "line 2: the key 'context'"),
    "a control": ('title: "\\x9b31m"', "control character"),
    "a surrogate": ('title: "\\ud800"', "control character"),
    "no YAML": ("a: [", "not valid YAML"),
    "a date that is none": ("a: 2001-99-99", "not valid YAML"),
    "Python": ("a: !!python/object/apply:os.system [true]", "not valid YAML"),
    "a list as a key": ("? [a]\n: b", "not valid YAML"),
    "a number without end": ("a: " + "9" * 5000, "not valid YAML"),
    "nothing": ("", "must hold a mapping"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_description_is_one_paragraph(tmp_path, kind):
    """As a data set and as a profile; the file is named."""
    text, message = HOSTILE[kind]
    path = tmp_path / "x.yaml"
    path.write_text(text)
    for load in (load_dataset, load_profile):
        with pytest.raises(ConfigError) as caught:
            load(str(path))
        assert message in str(caught.value)
        assert str(path) in str(caught.value)
        assert len(str(caught.value)) < 1500


@pytest.mark.parametrize(
    "value", ['"[', "[", "{a: 1, a: 2}", "[" * 3000, '"\\x9b"', "*x", "!!python/name:os.system"]
)
def test_a_setting_that_is_no_yaml_is_named(value):
    """``--set per_class=VALUE``."""
    with pytest.raises(ConfigError, match="--set per_class"):
        load_profile("demo", [f"per_class={value}"])


@settings(max_examples=150, deadline=None)
@given(st.text() | st.text("[]{}:,&*!|>'\"\n -ab0#%?", max_size=40))
@example("a: &a\n  <<: *a")
@example("- - - ? : -")
@example("!!set {a, a}")
@example("!!binary '='")
@example("0o9: 0x")
@example("<<: [1]")
def test_any_text_is_a_value_or_a_refusal(text):
    """Whatever is written, nothing but ConfigError comes out."""
    try:
        parse_yaml(text, "here")
    except ConfigError as error:
        message = str(error)
        assert message.startswith("here")


@pytest.mark.parametrize(
    "name", ["..", ".", "", "../../x", "a/b", "-rf", ".hidden", "a\\b", "a\n", "x" * 200, "\ud800"]
)
def test_names_cannot_lead_elsewhere(tmp_path, name):
    """The names of a data set and of a profile are parts of the run folder's name."""
    with pytest.raises(ValueError, match="a name begins with"):
        DatasetConfig(name=name, classes=("a",))
    profile = find_config("profiles", "demo").read_text().replace("name: demo", "")
    path = tmp_path / "p.yaml"
    path.write_text(profile)
    with pytest.raises(ConfigError, match="name"):
        load_profile(str(path), overrides={"name": name})


def test_class_names_that_only_look_different_are_one(tmp_path):
    """An accent in one character and in two; what a terminal would obey is no name."""
    with pytest.raises(ValueError, match="in two Unicode spellings"):
        DatasetConfig(name="d", classes=("caf\u00e9", "cafe\u0301"))
    for name in ("a\x9bb", "a\u202eb", "\ud800", "a\tb", "a\u2028b", "a\x7f"):
        with pytest.raises(ValueError, match="control character"):
            DatasetConfig(name="d", classes=(name, "x"))
    assert DatasetConfig(name="d", classes=("caf\u00e9", "\u0645\u200d", "cafe")).classes[0] == "caf\u00e9"


@pytest.mark.parametrize("kind", ["datasets", "profiles"])
def test_what_is_shipped_is_read(kind):
    """The rules refuse none of our own descriptions."""
    for name in config_names(kind):
        assert (load_dataset if kind == "datasets" else load_profile)(name).name == name


def test_the_command_line_shows_what_it_refuses(tmp_path):
    """A file name of controls and bytes that are no UTF-8: exit 2, no traceback, nothing for the terminal to obey."""
    code = "import sys; from susx.cli import main; main(sys.argv[1:])"
    odd = b"\x1b]0;title\x07\xff\xc2\x9b31m"
    done = subprocess.run(
        [sys.executable, "-c", code, "status", "--dataset", odd, "--store", str(tmp_path)],
        capture_output=True, cwd=Path(tmp_path), timeout=300,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert b"Traceback" not in done.stderr
    assert not set(done.stderr.decode()) & {"\x1b", "\x07", "\x9b"}
