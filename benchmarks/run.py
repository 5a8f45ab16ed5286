"""Run every ``bench_*.py`` of this folder, print its tables and write ``results/<name>.json``.

    python benchmarks/run.py [--full] [NAME ...]

A benchmark is a module with ``run(quick: bool) -> dict``; under ``tables`` it lists
``{"title": ..., "rows": [...]}``, each row a dict of column to value. Real features are used where
``SUSX_REAL_DATA`` names their folder.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
from pathlib import Path

from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).parent


def main() -> None:
    """Run the named benchmarks, or all."""
    known = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
    parser = argparse.ArgumentParser(description="Run the benchmarks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(known)}; default all")
    parser.add_argument(
        "--full", action="store_true", help="more repeats and the largest sizes (many minutes)"
    )
    options = parser.parse_args()
    unknown = set(options.names) - set(known)
    if unknown:
        parser.error(f"no benchmark named {', '.join(sorted(unknown))}; choose from {', '.join(known)}")
    console = Console(width=None if os.isatty(1) else 200)
    results = FOLDER / "results"
    results.mkdir(exist_ok=True)
    for name in options.names or known:
        result = importlib.import_module(f"bench_{name}").run(quick=not options.full)
        shown = dict(result)
        result |= {"quick": not options.full, "cores": os.cpu_count(), "machine": platform.machine()}
        (results / f"{name}.json").write_text(json.dumps(result, indent=2, default=str) + "\n")
        for table in shown.get("tables") or as_rows(name, shown):
            console.print(as_table(table))
        console.print(
            f"cores {os.cpu_count()}, threads {result.get('threads')}, written to {results / name}.json"
        )


def as_rows(name: str, result: dict) -> list[dict]:
    """Return tables for a result that lists none: its plain values in one, and one for each dict of them."""
    plain = {key: value for key, value in result.items() if not isinstance(value, dict)}
    found = [{"title": name, "rows": [plain]}] if plain else []
    return found + [
        {"title": f"{name}: {key}", "rows": [value]}
        for key, value in result.items()
        if isinstance(value, dict)
    ]


def as_table(table: dict) -> Table:
    """Return one table of rows of equal columns."""
    rows = table["rows"]
    drawn = Table(title=table["title"], title_justify="left")
    for column in rows[0] if rows else ():
        drawn.add_column(
            column, justify="left" if isinstance(rows[0][column], str) else "right", overflow="fold"
        )
    for row in rows:
        drawn.add_row(*(str(row.get(column, "")) for column in rows[0]))
    return drawn


if __name__ == "__main__":
    main()
