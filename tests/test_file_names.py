"""A file's name tells what is in it: none occurs twice, except where the name is given from outside."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "susx"

# Here a file is called as the command, flow, stage, method, backend, reader, protocol or YAML that it is.
NAMED_FROM_OUTSIDE = {
    "commands", "flows", "pipeline", "methods", "methods/functional", "images/retrieve/backends", "datasets/readers",
    "features/importers", "tuning", "config",
}  # fmt: skip


def test_a_file_name_occurs_once() -> None:
    """Beside a command, a flow or a stage, one file of a noun may have its name: there its work is done."""
    folders = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        folder = path.parent.relative_to(PACKAGE).as_posix()
        if path.name != "__init__.py" and folder not in NAMED_FROM_OUTSIDE:
            folders[path.name].append(folder)
    assert {name: where for name, where in folders.items() if len(where) > 1} == {}
