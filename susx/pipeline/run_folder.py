"""The end of a run: what people want of it, published in one folder, and what was done as one JSON value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from susx.pipeline.build_plan import BuildPlan, BuildResult
from susx.pipeline.package import FOLDER
from susx.pipeline.run_record import StageRecord
from susx.store import ArtefactStore, Ref, digest_json
from susx.store.runs import publish, run_folder
from susx.types import Json

__all__ = ["finish_run", "run_name"]


def run_name(plan: BuildPlan, result: BuildResult) -> str:
    """Return the name of a build's folder: data set, sources, profile, prompts, seed, and a digest of all else a person chose.

    Its sentences are in the digest, those of images and those of the text classifier, and the encoder; where the work is done is
    not.
    """
    sentences = [[[prompt.text for prompt in of.images], list(of.classify)] for of in plan.sentences.values()]
    chosen = [
        plan.ingredients,
        list(plan.classes),
        sentences,
        result.text.key,
        bool(plan.run.get("evaluate", True)),
    ]
    what = digest_json([*chosen, plan.examples] if plan.examples else chosen)[:8]
    parts = (
        plan.dataset.name,
        "+".join(plan.sources),
        plan.profile.name,
        f"{plan.profile.prompts.images}-{plan.profile.prompts.classify}",
        f"seed{plan.profile.seed}",
        what,
    )
    return "-".join(parts)


def finish_run(
    plan: BuildPlan, result: BuildResult, records: Sequence[StageRecord], store: ArtefactStore
) -> dict[str, Any]:
    """Publish report, classifier and support table as ``runs/<name>/``, and return what its ``run.json`` tells.

    Raises:
        StoreError: the folder cannot be written.
    """
    name = run_name(plan, result)
    folder = run_folder(store, name)
    report, package = _files(store, result.report), _files(store, result.package)
    files = {
        inside: at for inside, at in report.items() if Path(inside).suffix in {".html", ".json", ".parquet"}
    }
    files |= {inside: at for inside, at in package.items() if inside.startswith(f"{FOLDER}/")}
    files["support.parquet"] = _files(store, result.support)["support.parquet"]
    metrics = json.loads(files["metrics.json"][0].read_text(encoding="utf-8"))
    classifiers = {f"classifier {key}": ref.key for key, ref in result.classifiers.items()}
    summary: dict[str, Json] = {
        "run": name,
        "dataset": plan.dataset.name,
        "profile": plan.profile.name,
        "toy": plan.profile.toy,
        "command": plan.run.get("command", ""),
        "stages": [record.account() for record in records],
        "packaged": metrics["packaged"],
        "labelled_images": metrics["labelled_images"],
        "methods": metrics.get("methods", []),
        "no_accuracy": metrics.get("no_accuracy", ""),
        "notes": metrics.get("notes", []),
        "purity": metrics.get("purity", []),
        "without_support": [c["class_name"] for c in metrics.get("counts", []) if not sum(c["origins"].values())],
        "artefacts": {
            "support": result.support.key, "package": result.package.key, "report": result.report.key, **classifiers,
        },
        "classifier": str(folder / FOLDER),
        "report": str(folder / "report.html"),
    }  # fmt: skip
    publish(store, name, files, summary)
    return summary


def _files(store: ArtefactStore, ref: Ref) -> dict[str, tuple[Path, str]]:
    """Return each file of an artefact: where it is, and its digest."""
    folder, manifest = store.folder(ref), store.manifest(ref.stage, ref.key)
    return {name: (folder / name, digest) for name, digest in manifest.files.items()} if manifest else {}
