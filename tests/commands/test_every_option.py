"""Every option of every command does something or is refused: none is dropped without a word."""

from __future__ import annotations

import ast
import inspect
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import typer

from susx.cli import app, main
from susx.commands.effect import IDLE
from susx.commands.endings import format_of
from susx.config import load_profile
from susx.datasets.describe import describe
from susx.errors import ConfigError, InputError
from susx.features.feature_folder import read_features, write_features
from susx.features.feature_set import FeatureSet
from susx.images.retrieve.index_add import add_index
from susx.pipeline.options import BuildOptions
from susx.testing.encoders import WordEncoder


def leaves(command: Any, words: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, with the words that call it."""
    if not hasattr(command, "list_commands"):
        yield words, command
        return
    context = typer.main.get_command(app).make_context("susx", ["--help"], resilient_parsing=True)
    for name in command.list_commands(context):
        yield from leaves(command.get_command(context, name), f"{words} {name}".strip())


def labelling() -> Any:
    """Return the command behind ``susx label FOLDER``, which no list names."""
    root = typer.main.get_command(app)
    context = root.make_context("susx", ["--help"], resilient_parsing=True)
    return root.get_command(context, "label").get_command(context, "folder")


COMMANDS = dict(leaves(typer.main.get_command(app)))
OPTIONS = [
    (words, parameter)
    for words, command in COMMANDS.items()
    for parameter in command.params
    if parameter.param_type_name == "option" and not parameter.is_eager
]


def refusal(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command line that is refused and return what it says, in one line."""
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(line))
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return " ".join(said.err.split())


def named(parameter: Any) -> str:
    return max(parameter.opts, key=len)


def test_the_whole_command_line_is_looked_at():
    """Groups and commands of every kind are among them."""
    assert {"build", "status", "evaluate", "index build", "support export", "store gc"} <= set(COMMANDS)
    assert len(OPTIONS) > 100


@pytest.mark.parametrize(("words", "parameter"), OPTIONS, ids=lambda v: v if isinstance(v, str) else v.name)
def test_an_option_that_takes_one_value_is_given_once(words, parameter, capsys):
    """Given twice it is refused in one sentence that names it; one that may be repeated is not refused for that."""
    value = "" if parameter.is_flag else " 1"
    line = f"{words} {named(parameter)}{value} {named(parameter)}{value}"
    said = refusal(line, capsys)
    repeated = f"{named(parameter)} is given 2 times and takes one value; give it once."
    assert (repeated in said) != parameter.multiple
    if not parameter.multiple:
        assert said == f"susx: {repeated}"


def test_both_sides_of_a_switch_are_two_values(capsys):
    """--evaluate and --no-evaluate are one option."""
    assert "given 2 times" in refusal("build --dataset textures --evaluate --no-evaluate", capsys)


@pytest.mark.parametrize("words", COMMANDS)
def test_every_parameter_is_read(words):
    """The function of a command reads each of its parameters; those of a build are read where it is planned."""
    function = inspect.unwrap(COMMANDS[words].callback)
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    read = {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    of_a_build = set(BuildOptions.__dataclass_fields__)
    for parameter in COMMANDS[words].params:
        assert (
            parameter.name in read
            or parameter.is_eager
            or ("chosen" in read and parameter.name in of_a_build)
        )


def test_every_option_of_a_build_is_read():
    """Where the plan is made, or where the store is opened."""
    import susx.commands.build
    import susx.pipeline.plan

    source = inspect.getsource(susx.pipeline.plan) + inspect.getsource(susx.commands.build)
    for name in BuildOptions.__dataclass_fields__:
        assert f"options.{name}" in source


@pytest.mark.parametrize(
    ("words", "case"), [(words, case) for case in IDLE for words in case.commands], ids=lambda v: str(v)[:40]
)
def test_an_option_without_effect_is_refused(words, case, capsys):
    """Its refusal says what leaves it aside; the same line without it is not refused for that."""
    said = refusal(f"{words} {case.example}", capsys)
    command = labelling() if words == "label folder" else COMMANDS[words]
    flag = named(next(p for p in command.params if p.name == case.parameter))
    assert said.startswith(f"susx: {flag} has no effect: ")
    assert case.why in said


def test_a_variable_of_the_environment_is_no_reason(monkeypatch, tmp_path, capsys):
    """SUSX_DATA_ROOT stands for all commands, whether they read it or not."""
    monkeypatch.setenv("SUSX_DATA_ROOT", str(tmp_path))
    main(["status", "--dataset", "textures", "--no-evaluate", "--store", str(tmp_path / "s")])
    assert "missing" in capsys.readouterr().out


OUTS = {
    "adapt": "photos", "datasets new": "name --from x", "encode": "photos", "evaluate": "--features f", "experiment": "e.yaml", "build": "--dataset textures",
    "export": "--classifier c", "generalise": "--classifier c --target t", "import-features": "--features f",
    "predict": "photo.png", "prompts write": "--dataset textures --profile demo", "pull": "hf://owner/name",
    "label export": "labels --format csv", "report figure": "result", "status": "--dataset textures", "support export": "support.parquet", "support credits": "support.parquet",
}  # fmt: skip
"""Commands that write a file or folder that is named -> what else they need."""


def test_what_is_written_is_known_for_every_command():
    """A new command with --out or --json FILE is added above."""
    writing = {
        words
        for words, parameter in OPTIONS
        if named(parameter) in ("--out", "--json") and not parameter.is_flag
    }
    assert writing == set(OUTS)


@pytest.mark.parametrize("words", OUTS)
def test_an_ending_of_another_format_is_refused(words, tmp_path, monkeypatch, capsys):
    """Nothing is written to a name that says it is something else, and nothing is done before that is seen."""
    monkeypatch.chdir(tmp_path)
    for flag in {named(p) for w, p in OPTIONS if w == words} & {"--out", "--json"}:
        assert "other.xlsx" in refusal(f"{words} {OUTS[words]} {flag} other.xlsx", capsys)
    assert not any(tmp_path.iterdir())


def test_the_ending_decides_the_format():
    """What is asked for goes before; the two may not differ."""
    endings = {"jsonl": (".jsonl",), "csv": (".csv",)}
    assert format_of(Path("p.csv"), None, endings, "jsonl") == "csv"
    assert format_of(Path("p.CSV"), "csv", endings, "jsonl") == "csv"
    assert format_of(Path("p"), None, endings, "jsonl") == "jsonl"
    assert format_of(Path("p.txt"), "csv", endings, "jsonl") == "csv"
    assert format_of(None, None, endings, "jsonl") == "jsonl"
    for out, asked in (("p.csv", "jsonl"), ("p.txt", None)):
        with pytest.raises(ConfigError, match=r"p\.(csv|txt)"):
            format_of(Path(out), asked, endings, "jsonl")
    with pytest.raises(ConfigError, match="format"):
        format_of(Path("p"), None, endings)


def test_a_setting_is_given_once():
    """Whole, as a part of a group that a later one replaces, and by an option of its own."""
    assert load_profile("demo", ["seed=3"], {"seed": 3}).seed == 3
    assert (
        load_profile("demo", ["methods={tip_x: {}}", "methods.tip_x.alpha=2"]).methods["tip_x"]["alpha"] == 2
    )
    for settings, overrides in (
        (["seed=1", "seed=2"], {}),
        (["methods.tip_x.alpha=2", "methods={tip_x: {}}"], {}),
        (["per_class=1"], {"per_class": 2}),
    ):
        with pytest.raises(ConfigError, match="give one of the two"):
            load_profile("demo", settings, overrides)


def test_choices_among_files_are_of_folders_that_have_them(tmp_path):
    """A folder of this project's holds one text classifier and one support set."""
    rows = torch.nn.functional.normalize(torch.randn(3, 4))
    write_features(FeatureSet(("a", "b", "c"), rows, 100.0), tmp_path / "f")
    choices = {
        "backbone": "RN50",
        "support": "lc_photo",
        "prompts": "cupl",
        "shots": 2,
        "text": Path("t.npy"),
    }
    for name, value in choices.items():
        with pytest.raises(InputError, match=f"--{name} .* chooses nothing"):
            read_features(tmp_path / "f", **{name: value})


def test_columns_are_of_tables(tmp_path):
    """Neither a list of names nor a matrix has any."""
    (tmp_path / "names.txt").write_text("a\nb\n")
    with pytest.raises(ConfigError, match="--class-column"):
        describe(tmp_path / "names.txt", "label")
    (tmp_path / "x.npy").write_bytes(b"")
    (tmp_path / "x.parquet").write_bytes(b"")
    encoder = WordEncoder()
    with pytest.raises(InputError, match="--embedding"):
        add_index(tmp_path / "i", encoder, tmp_path / "x.npy", embedding="e")
    with pytest.raises(InputError, match="--rows"):
        add_index(tmp_path / "i", encoder, tmp_path / "x.parquet", rows=tmp_path / "names.txt")
