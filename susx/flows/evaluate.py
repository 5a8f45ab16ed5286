"""The flow ``evaluate``: methods on a folder of features, as ``susx evaluate`` does."""

from __future__ import annotations

from susx.flows.settings import prepare_environment

prepare_environment()

import json  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Annotated, Any  # noqa: E402

from prefect import flow  # noqa: E402
from prefect.artifacts import create_table_artifact  # noqa: E402
from pydantic import Field  # noqa: E402

from susx.errors import InputError  # noqa: E402

__all__ = ["evaluate_flow"]


@flow(name="evaluate", flow_run_name="{features}", persist_result=False)
def evaluate_flow(
    features: str,
    methods: str = "",
    tuning: str = "fixed,support,val",
    pool: str | None = None,
    per_class: Annotated[int, Field(ge=1)] = 16,
) -> list[dict[str, Any]]:
    """Measure methods on features and publish the accuracies as a table artifact. Returns its rows.

    Args:
        features: Folder of features: this project's, Tip-Adapter's or SuS-X's.
        methods: Joined by commas; empty: all that the features allow.
        tuning: fixed, support, val; joined by commas.
        pool: Folder with features.npy to retrieve the support from.
        per_class: Images per class retrieved from the pool.

    Raises:
        InputError: what the command refuses, in its words.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        words = [
            "--features",
            features,
            "--tuning",
            tuning,
            "--per-class",
            str(per_class),
            "--json",
            str(path),
        ]
        words += ["--methods", methods] if methods else []
        words += ["--pool", pool] if pool else []
        # The command's own process: commands stand above flows, and its tables are its output.
        program = [sys.executable, "-c", "from susx.cli import main; main()", "evaluate", *words]
        done = subprocess.run(program, capture_output=True, text=True)
        if done.returncode:
            raise InputError(done.stderr.strip().removeprefix("susx: "))
        found = json.loads(path.read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = found if isinstance(found, list) else found["rows"]
    what = f"Accuracies on {features}"
    create_table_artifact(rows, key="susx-evaluate", description=what, _sync=True)  # type: ignore[call-arg]
    return rows
