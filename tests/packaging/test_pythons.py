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
