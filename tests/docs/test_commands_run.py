"""Every command that README and docs print is run as it is printed, page by page, each in a folder of its own.

The folder holds what the page says a reader has (``reader.bring``), files whose content the page prints, and what
the page's earlier commands left. Nothing of a line is changed but the numbers of ports.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from json import dumps
from pathlib import Path

import pytest
import yaml

from susx.store.user_cache import SHARED
from susx.testing.http_chat import ScriptedChat
from susx.testing.http_images import ImageServer, encoded, random_picture
from tests.docs.reader import bring
from tests.docs.warm import keep, lend, made_once
from tests.flows.conftest import free_port, prefect_server

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])
BINARIES = Path(sys.executable).parent

ELSEWHERE = {
    "make demo": "tests/packaging/test_wheel.py",
    "make test": ".ci/run",
    "ray start": "tests/flows/test_runners.py",
    "prefect server start --host 0.0.0.0": "tests/flows/test_server.py",
    "export PREFECT_API_URL=http://first:4200/api": "tests/flows/test_server.py",
    "susx build --dataset imagenet --mode generate --profile sd-fast --store s3": "tests/flows/test_runners.py",
    "--runner ": "tests/flows/test_runners.py",
    "prefect deployment run 'build/demo' -": "tests/flows/test_server.py",
    " hf://": "tests/hub/test_classifier_hub.py",
    "prefect gcl update": "tests/flows/test_device_limit.py",
    "pip install susx": "tests/packaging/test_light.py",
    "--format web": "tests/bundle/test_web.py",
    "python -m http.server": "tests/bundle/test_web.py",
    "susx label review RESULT": "tests/labelling/test_review_page.py",
    "susx label audit RESULT": "tests/labelling/test_audit_files.py",
}
"""Beginnings of commands that need several machines, a deployment's whole run, or that the suite runs on its own terms: where."""

NEEDS_WEIGHTS = r"--profile (sd-fast|clip-vit-b32|blip-b16|tcl-b16|siglip2-b16|my-profile\.yaml)"
"""Without network these end with the paragraph that says which weights are missing."""

NEEDS_WEB = r"retrieval\.backend=urls|index build linked-index"
"""The links are on this machine, where none is followed without being allowed."""

SERVERS = r"susx (index )?serve |susx label review |prefect server start|prefect worker start"
"""Commands that go on until they are stopped: the next one begins when they answer."""


@dataclass(frozen=True)
class Step:
    """One command of a page, or a file that the page shows."""

    kind: str
    text: str


def steps(page: Path) -> Iterator[Step]:
    """Yield what a page shows, in its order; lines of output are left out."""
    content = page.read_text(encoding="utf-8")
    for language, body in re.findall(r"^```(\w+)\n(.*?)^```", content, re.M | re.S):
        if language in ("console", "sh"):
            for line in body.replace("\\\n", " ").splitlines():
                printed = line.removeprefix("$ ") if language == "console" else line
                if printed.strip() and (language == "sh" or line.startswith("$ ")):
                    yield Step("command", printed)
        else:
            yield Step(language, body)


WITH_COMMANDS = [page for page in PAGES if any(step.kind == "command" for step in steps(page))]


def test_pages_have_commands() -> None:
    """The pages are read: the two commands of the README are its first."""
    first = [step.text.split("#")[0].strip() for step in steps(ROOT / "README.md")][:2]
    assert first == ["make demo", "make test"]
    assert len(WITH_COMMANDS) >= 10
    assert all((ROOT / place).exists() for place in ELSEWHERE.values())


def expected(command: str) -> tuple[tuple[int, ...], str]:
    """Return the exit codes a command may end with, and what it must say on its way."""
    if "susx doctor" in command:
        return (0, 1), "(?i)weights"
    if "--dry-run" in command or "susx prompts " in command:
        return (0,), ""
    if re.search(NEEDS_WEIGHTS, command):
        return (2,), "(?i)weights|cannot be (loaded|reached|downloaded)|hub"
    if re.search(NEEDS_WEB, command):
        return (1, 2), "(?i)private|loopback|refused|forbidden|failed"
    return (0,), ""


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | None]:
    """Yield a folder whose ``susx`` runs in a fork of one process (``forking.py``); None where ``SUSX_DOCS_FRESH`` asks for fresh ones."""
    if os.environ.get("SUSX_DOCS_FRESH"):
        yield None
        return
    folder = tmp_path_factory.mktemp("forks")
    server, path = Path(__file__).with_name("forking.py"), folder / "socket"
    command = folder / "susx"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E {server} ask {path} "$@"\n')
    command.chmod(0o755)
    serving = subprocess.Popen(
        [sys.executable, server, "serve", path], env=environment(folder), cwd=folder, start_new_session=True
    )
    try:
        for _ in range(1200):
            if path.exists():
                break
            assert serving.poll() is None
            time.sleep(0.1)
        yield folder
    finally:
        os.killpg(serving.pid, signal.SIGKILL)
        serving.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a Prefect server that pages share which say nothing of Prefect: each build would start one of its own."""
    folder = tmp_path_factory.mktemp("prefect")
    env = environment(folder) | {"PREFECT_HOME": str(folder / "home")}
    with prefect_server(env, folder / "log"):
        yield env["PREFECT_API_URL"]


def environment(folder: Path, forks: Path | None = None) -> dict[str, str]:
    """Return the environment of a newcomer without network: nothing of susx or Prefect set, an empty home."""
    drop = ("PREFECT_", "SUSX_")
    # The embedded pool is drawn once for all pages, as for a user who has built before.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(drop) or name == SHARED}
    home = folder.parent / f"{folder.name}-home"
    home.mkdir(exist_ok=True)
    return kept | {
        "PATH": f"{f'{forks}:' if forks else ''}{BINARIES}:{kept['PATH']}", "HOME": str(home), "PWD": str(folder), "HF_HUB_OFFLINE": "1",
        # Empty for the first page only: a new database takes Prefect's server ten seconds, each time.
        **({"XDG_CACHE_HOME": str(forks.parent / "cache")} if forks else {}),
        "OPENAI_API_KEY": "no-secret", "BROWSER": "true", "NO_PROXY": "127.0.0.1", "OMP_NUM_THREADS": "1", "COLUMNS": "80",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "400",
    }  # fmt: skip


def run_script(script: str, folder: Path, env: dict[str, str]) -> str:
    """Run a script of bash in its own process group, and return what it printed."""
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        start_new_session=True, timeout=1200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def as_script(page_steps: list[Step], folder: Path, ports: dict[str, int]) -> tuple[str, list[str]]:
    """Return one script for a page, and its commands; each writes ``<n>.out`` and ``<n>.code`` into ``log/``."""
    lines = [
        "mkdir log; pids=()",
        # A worker of Prefect outlives SIGTERM.
        'trap \'kill "${pids[@]}"; sleep 3; kill -9 "${pids[@]}"; wait\' EXIT',
    ]
    commands = []
    for step in page_steps:
        text = step.text
        for port, free in ports.items():
            text = re.sub(rf"\b{port}\b", str(free), text)
        if step.kind == "command":
            if any(begin in text for begin in ELSEWHERE):
                continue
            number = len(commands)
            commands.append(text)
            if re.search(SERVERS, text):
                begun = f"log/{number}.out"
                asked = next((free for free in ports.values() if re.search(rf"\b{free}\b", text)), None)
                if "prefect server" in text:
                    asked = ports["4200"]
                command = re.sub(r"\s+#.*", "", text)
                lines.append(f"{command} >{begun} 2>&1 & pids+=($!)")
                wait = f"(exec 3<>/dev/tcp/127.0.0.1/{asked}) 2>/dev/null" if asked else "sleep 2"
                lines.append(f"for i in $(seq 600); do {wait} && break; sleep 0.5; done")
                lines.append(f"kill -0 ${{pids[-1]}}; echo $? > log/{number}.code")
            else:
                lines.append(f"{{ {text}\n}} >log/{number}.out 2>&1 </dev/null\necho $? >log/{number}.code")
        elif step.kind == "yaml":
            described = yaml.safe_load(text)
            name = described["name"]
            # An experiment is given by its path, a data set by its name.
            below = (
                "configs/datasets/" if (folder / "configs").is_dir() and "datasets" not in described else ""
            )
            lines.append(f"cat >{below}{name}.yaml <<'FILE'\n{text}FILE")
        elif step.kind == "python":
            number = len(commands)
            commands.append("python <<'CODE'\n" + textwrap.indent(text, "    "))
            lines.append(f"python - >log/{number}.out 2>&1 <<'CODE'\n{text}CODE\necho $? >log/{number}.code")
    return "\n".join(lines), commands


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_of_a_page_run(
    page: Path, tmp_path: Path, forks: Path | None, request: pytest.FixtureRequest
) -> None:
    """Each command ends as the page lets one expect, after those before it."""
    folder = tmp_path / "reader"
    folder.mkdir()
    here = list(steps(page))
    with (
        ImageServer([encoded(random_picture(0))]) as images,
        ScriptedChat(
            lambda name, count: dumps([f"A {name} fabric, number {n}." for n in range(10)])
        ) as model,
    ):
        bring(folder, images.url("photo/0"))
        if any("datasets new" in step.text for step in here):
            (folder / "fabrics.yaml").unlink()
        if "make demo" in page.read_text(encoding="utf-8") or page.name == "prefect.md":
            clone(folder, forks)
        if not any("susx encode" in step.text for step in here):
            shutil.copytree(made_once("encoded", lambda at: encode(folder, at, forks)), folder / "features")
        if page.name != "README.md":
            lend(folder / "susx-store")
        ports = {"4200": free_port(), "1234": free_port(), "8000": free_port(), "8080": model.port}
        env = environment(folder, forks) | {"PREFECT_SERVER_API_PORT": str(ports["4200"])}
        if page.name != "README.md" and not any("prefect" in step.text.lower() for step in here):
            env["PREFECT_API_URL"] = request.getfixturevalue("server")
        script, commands = as_script(here, folder, ports)
        run_script(script, folder, env)
    keep(folder / "susx-store")
    wrong = []
    for number, command in enumerate(commands):
        output = (folder / "log" / f"{number}.out").read_text(errors="replace")
        code = int((folder / "log" / f"{number}.code").read_text())
        codes, said = expected(command)
        if (
            code not in codes
            or not re.search(said, output)
            or ("Traceback" in output and not re.search(SERVERS, command))
        ):
            wrong.append(f"$ {command}\nended with {code}, expected {codes} and {said!r}:\n{output[-1500:]}")
    assert not wrong, "\n\n".join(wrong)


def clone(folder: Path, forks: Path | None) -> None:
    """Make the folder what a clone is after ``make setup``: its environment, configs and flows."""
    for name in ("configs", "flows"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "susx").symlink_to(ROOT / "susx")
    if forks is None:
        (folder / ".venv").symlink_to(BINARIES.parent)
        return
    (folder / ".venv" / "bin").mkdir(parents=True)
    for binary in BINARIES.iterdir():
        (folder / ".venv" / "bin" / binary.name).symlink_to(
            forks / "susx" if binary.name == "susx" else binary
        )
    (folder / ".venv" / "pyvenv.cfg").symlink_to(BINARIES.parent / "pyvenv.cfg")
    (folder / ".venv" / "lib").symlink_to(BINARIES.parent / "lib")


def encode(folder: Path, out: Path, forks: Path | None) -> None:
    """Write what ``susx encode`` writes for a reader's folder of three splits."""
    run_script(
        f"susx encode splits/ --out {out}/f >/dev/null && mv {out}/f/* {out}/ && rmdir {out}/f",
        folder,
        environment(folder, forks),
    )
