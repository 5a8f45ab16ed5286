"""The Dockerfile is one that docker can read, of files that are there: no docker is needed to see it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KNOWN = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "RUN", "USER", "WORKDIR"}


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile with their arguments, lines that a backslash ends joined.

    Raises:
        ValueError: a line is no instruction, or the last one does not end.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if lines and lines[-1].rstrip().endswith("\\"):
        raise ValueError("the last line does not end")
    found = []
    for line in re.sub(r"\\\n", "", "\n".join(lines)).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word.upper() not in KNOWN or not rest.strip():
            raise ValueError(f"no instruction: {line}")
        found.append((word.upper(), rest.strip()))
    return found


READ = instructions((ROOT / "Dockerfile").read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", ["FROM x\nRUNN y", "FROM x\nRUN a && \\\n", "FROM x\nRUN", "FROM x\nhello"])
def test_what_is_no_dockerfile_is_told(text: str) -> None:
    """The reader of these tests refuses what docker refuses."""
    with pytest.raises(ValueError):
        instructions(text)


def test_it_begins_with_an_image_and_names_its_stages() -> None:
    """Only an argument may come before; what is copied from a stage comes from one that is named before."""
    assert next(word for word, _ in READ if word != "ARG") == "FROM"
    stages: set[str] = set()
    for word, rest in READ:
        if word == "FROM":
            image = re.fullmatch(r"(?:--platform=\S+ )?\S+(?: [Aa][Ss] ([a-z][\w.-]*))?", rest)
            assert image, rest
            stages |= {image[1]} - {None}
        for stage in re.findall(r"--from=(\S+)", rest):
            assert stage in stages


def test_commands_are_shell() -> None:
    """``sh -n`` reads them; lists of words are JSON."""
    runs = [rest for word, rest in READ if word == "RUN"]
    assert runs
    for line in runs:
        done = subprocess.run(["sh", "-n"], input=line, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
    for word, rest in READ:
        if word in {"CMD", "ENTRYPOINT"}:
            assert all(isinstance(part, str) for part in json.loads(rest))
        if word == "ENV":
            assert all(re.fullmatch(r"\w+=\S+", pair) for pair in rest.split())
        if word == "EXPOSE":
            assert re.fullmatch(r"\d+(/tcp|/udp)?", rest)


def test_what_is_copied_is_there_and_is_sent() -> None:
    """Files of the checkout that ``.dockerignore`` lets through."""
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert ignore[0] == "*"
    sent = {line[1:].rstrip("/") for line in ignore if line.startswith("!")}
    for word, rest in READ:
        if word == "COPY" and "--from=" not in rest:
            *sources, target = rest.split()
            assert target.startswith("/")
            for source in sources:
                assert (ROOT / source).exists(), source
                assert source.split("/")[0] in sent, source
    assert all((ROOT / name).exists() for name in sent)


def test_the_version_of_uv_is_that_of_the_makefile() -> None:
    """One pin at two places."""
    pins = [
        re.findall(r"uv==([\d.]+)", (ROOT / name).read_text(encoding="utf-8"))
        for name in ("Dockerfile", "Makefile")
    ]
    assert len({pin for of_file in pins for pin in of_file}) == 1
    assert all(pins)
