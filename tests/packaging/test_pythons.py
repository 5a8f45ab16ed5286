"""What another Python of those that are supported, with the libraries the lock has for it, would stumble over."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_shapes_are_of_arrays_and_not_of_aliases() -> None:
    """numpy 2.5, from Python 3.12 on, makes NDArray an alias, which jaxtyping refuses while the module is imported."""
    files = sorted((ROOT / "susx").rglob("*.py"))
    assert len(files) > 300
    shaped = re.compile(r"\b(?:Float|Int|UInt|Bool|Shaped|Num)\d*\[\s*NDArray\b")
    assert not [path.relative_to(ROOT).as_posix() for path in files if shaped.search(path.read_text("utf-8"))]


def test_numba_compiles_functions_and_not_what_checks_wrap_around_them() -> None:
    """On Python 3.10 numba cannot cache the wrapper of the check of types at run time: decorators of numba's own stand nowhere."""
    sources = [path.read_text("utf-8") for path in (ROOT / "susx").rglob("*.py")]
    assert any("numba.njit(" in text for text in sources)
    assert not [text for text in sources if re.search(r"^ *@numba\.", text, re.MULTILINE)]


def test_every_python_that_is_supported_is_checked() -> None:
    """``make check-pythons`` runs those that pyproject admits, but for the one of the default run."""
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    low, high = re.findall(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', project)[0]
    checked = re.findall(r"^PYTHONS \?= (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)[
        0
    ].split()
    assert {*checked, "3.11"} == {f"3.{minor}" for minor in range(int(low), int(high))}
