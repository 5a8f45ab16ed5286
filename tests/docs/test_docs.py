"""The documentation: its Python runs, its commands exist with these options, its YAML is understood."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from pydantic import BaseModel

from susx.cli import COMMANDS, app
from susx.config import DatasetConfig, ExperimentConfig, ProfileConfig, load_profile

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("README.md")])


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the arguments of every susx command of a page, without its environment's folder."""
    printed = "\n".join(blocks(page, "console")).replace("\\\n", " ").splitlines()
    typed = [
        line for line in printed if line.startswith("$ ")
    ]  # the rest is output, which may begin with our name
    for block in ["\n".join(typed), *blocks(page, "sh")]:
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True) if line.strip() else []
            if words and Path(words[0]).name == "susx":
                yield words[1:]
            elif len(words) > 2 and Path(words[0]).name == "python" and words[1] == "-m":
                package, _, command = words[2].rpartition(".")
                if words[2].startswith("susx"):
                    assert package == "susx.flows", words[2]
                    assert importlib.util.find_spec(words[2]), words[2]
                    yield [command, *words[3:]]


def parse(words: list[str]) -> dict[str, Any]:
    """Return the values of a command's parameters, parsed as the command line does; nothing is run."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("susx", list(words))
    rest = list(words)
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, list(rest), parent=context)
    return dict(context.params)


CONSOLE = [
    pytest.param(words, id=f"{name_of(page)}:{' '.join(words)[:60]}")
    for page in PAGES
    for words in commands(page)
    if words and words != ["--help"]
]


@pytest.fixture(autouse=True)
def _as_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lazy command line looks at the process's arguments to tell whether only a listing is wanted."""
    monkeypatch.setattr(sys, "argv", ["susx", "build"])


@pytest.mark.parametrize("words", CONSOLE)
def test_command_and_its_options_exist(words: list[str]) -> None:
    """A command that is shown exists, with these options, arguments and settings."""
    values = parse(words)
    settings = values.get("set_") or values.get("set") or []
    profile = values.get("profile")
    shipped = (ROOT / "configs" / "profiles" / f"{profile}.yaml").is_file()
    if settings or shipped:
        load_profile(profile if shipped else "demo", settings)


def test_wrong_command_lines_are_noticed() -> None:
    """The check itself refuses a command, an option and a missing argument that do not exist."""
    for words in (["biuld"], ["build", "--dataset", "dtd", "--steps", "3"], ["datasets", "new"]):
        with pytest.raises(Exception, match=r"(?i)no such|missing"):
            parse(words)


def test_every_command_is_documented() -> None:
    """The site shows every command of the command line."""
    shown = {words[0] for page in PAGES if page.name != "README.md" for words in commands(page) if words}
    assert set(COMMANDS) - shown == set()


def test_every_setting_is_documented() -> None:
    """The page of settings shows every model of a profile and a data set, and every backend's own, with all of its fields."""
    import susx.config as config
    from susx.images.retrieve.backends import BACKENDS

    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    directive = r"^::: susx\.(?:\w+\.)+(\w+)\n    options: \{show_if_no_docstring: true\}$"
    shown = set(re.findall(directive, page, re.M))
    models = {
        n
        for n in config.__all__
        if isinstance(kind := getattr(config, n), type) and issubclass(kind, BaseModel)
    }
    assert shown == models | {kind.__name__ for kind in BACKENDS.values()}


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "python") and not any(commands(page))], ids=name_of
)
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python of a page runs from top to bottom, in an empty folder; of pages with commands: ``test_commands_run.py``."""
    monkeypatch.chdir(tmp_path)
    code = blocks(page, "python")
    # A module of its own, as dataclasses look theirs up.
    module = types.ModuleType("docs_page")
    monkeypatch.setitem(sys.modules, "docs_page", module)
    namespace: dict[str, Any] = module.__dict__
    for number, block in enumerate(code):
        exec(compile(block, f"{name_of(page)}[{number}]", "exec"), namespace)


YAML = [
    pytest.param(block, id=f"{name_of(page)}[{n}]")
    for page in PAGES
    for n, block in enumerate(blocks(page, "yaml"))
]


@pytest.mark.parametrize("block", YAML)
def test_yaml_is_a_data_set_a_profile_or_an_experiment(block: str) -> None:
    """The YAML that is shown is read as what it stands for."""
    data = yaml.safe_load(block)
    model = DatasetConfig if "classes" in data else ExperimentConfig if "datasets" in data else ProfileConfig
    assert model.model_validate(data).name == data["name"]


def test_site_is_self_contained() -> None:
    """No font, script or image comes from another machine, and every page is in the navigation."""
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert config["theme"]["font"] is False
    assert not config.get("extra_javascript")
    assert not config.get("extra_css")
    listed = set(re.findall(r"[\w./-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES if page.name != "README.md"}
    assert listed == pages
    for page in PAGES:
        assert not re.search(r"!\[[^]]*\]\(https?:", page.read_text(encoding="utf-8")), page
