"""Every promise of the threat model is shown by a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = sorted(
    set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / "docs/threat-model.md").read_text()))
)


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_named_test_exists(file: str, test: str) -> None:
    """The file is there and defines it."""
    text = (ROOT / file).read_text(encoding="utf-8")
    assert re.search(rf"^def {test or 'test_'}", text, re.M)


def test_every_promise_names_one() -> None:
    """No row of its tables is without."""
    rows = re.findall(r"^\| (?!---)(.*)\|$", (ROOT / "docs/threat-model.md").read_text(), re.M)
    without = [row for row in rows if "tests/" not in row and "shown by" not in row and "---" not in row]
    assert len(rows) > 20
    assert without == []
