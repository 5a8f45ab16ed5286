"""The end of a run: the report copied to where people find it, and what was done as one JSON value."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from susx.flows.record import StageRecord
from susx.stages.build_plan import BuildPlan, BuildResult
from susx.stages.package import FOLDER
from susx.store import ArtefactStore, digest_json, write_atomically

__all__ = ["finish_run"]


def finish_run(
    plan: BuildPlan, result: BuildResult, records: Sequence[StageRecord], store: ArtefactStore
) -> dict[str, Any]:
    """Copy the report to ``runs/<name>/``, write ``run.json`` beside it and return its content."""
    what = digest_json([plan.profile.model_dump(mode="json"), list(plan.classes)])[:8]
    name = f"{plan.dataset.name}-{'+'.join(plan.sources)}-{plan.profile.name}-{what}"
    folder = store.root / "runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(store.folder(result.report).glob("*")):
        if path.suffix in {".html", ".json", ".parquet"} and path.name not in {"manifest.json", "stat.json"}:
            target = folder / path.name
            if (
                not target.exists()
                or target.stat().st_size != path.stat().st_size
                or target.read_bytes() != path.read_bytes()
            ):
                shutil.copyfile(path, target)
    _copy_classifier(store, result, folder)
    methods = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    summary = {
        "run": name,
        "dataset": plan.dataset.name,
        "profile": plan.profile.name,
        "toy": plan.profile.toy,
        "command": plan.run.get("command", ""),
        "stages": [record.account() for record in records],
        "methods": methods.get("methods", []),
        "no_accuracy": methods.get("no_accuracy", ""),
        "support": result.support.key,
        "classifiers": {name: ref.key for name, ref in result.classifiers.items()},
        "package": result.package.key,
        "classifier": str(folder / FOLDER),
        "report": str(folder / "report.html"),
    }  # fmt: skip
    write_atomically(folder / "run.json", json.dumps(summary, indent=1, ensure_ascii=False).encode())
    store.share(folder)
    return summary


def _copy_classifier(store: ArtefactStore, result: BuildResult, folder: Path) -> None:
    """Put classifier and support table beside the report, unless those of the same build are there already."""
    last = folder / "run.json"
    there = last.is_file() and (folder / FOLDER).is_dir()
    if there and json.loads(last.read_text(encoding="utf-8")).get("package") == result.package.key:
        return
    partial = folder / f".{FOLDER}"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(store.path(result.package, FOLDER), partial)
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    partial.rename(folder / FOLDER)
    shutil.copyfile(store.path(result.support, "support.parquet"), folder / "support.parquet")
