"""``metrics.json`` (everything but the pictures) and ``metrics.parquet`` (one line per method row)."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from susx.errors import InputError
from susx.report.model import MethodRow, ReportData
from susx.types import Json

__all__ = ["SCHEMA", "flat_rows", "metrics", "read_metrics", "write_json", "write_parquet"]

SCHEMA = 1
"""Version of the layout of ``metrics.json``."""

_PLAIN = (
    "classes",
    "methods",
    "stages",
    "counts",
    "confidence",
    "purity",
    "words",
    "changes",
    "histograms",
    "reliability",
    "curves",
    "planes",
    "bars",
)


def metrics(data: ReportData) -> dict[str, Json]:
    """Return the report's numbers as JSON values; not-a-number and infinities become null."""
    out: dict[str, Json] = {"schema": SCHEMA, "run": dataclasses.asdict(data.run)}
    for name in _PLAIN:
        value = getattr(data, name)
        out[name] = [v if isinstance(v, str) else dataclasses.asdict(v) for v in value]
    out["confusions"] = [
        {
            "true": c.true,
            "predicted": c.predicted,
            "count": c.count,
            "total": c.total,
            "images": [{"name": i.name, "confidence": i.confidence} for i in c.images],
        }
        for c in data.confusions
    ]
    out["confusion_matrix"] = [
        {"true": data.classes[true], "predicted": data.classes[predicted], "images": count}
        for true, predicted, count in data.confusion_matrix
    ]
    out["published"] = [dataclasses.asdict(p) for p in data.published or ()]
    headline = data.headline_row()
    out["headline"] = (
        None if headline is None else next(i for i, row in enumerate(data.methods) if row is headline)
    )
    out["packaged"] = None if data.packaged is None else data.packaged.as_json()
    out["labelled_images"] = dict(data.labelled_images)
    out["words_gain"] = data.words_gain
    out["no_accuracy"], out["notes"] = data.no_accuracy, list(data.notes)
    cleaned: dict[str, Json] = _finite(out)
    return cleaned


def flat_rows(data: ReportData) -> list[dict[str, Any]]:
    """Return one flat record per method row, run identity included; mappings become JSON text."""
    run = data.run
    rows = []
    for row in data.methods:
        flat = {
            "dataset": run.dataset,
            "mode": run.mode,
            "profile": run.profile,
            "toy": run.toy,
            "command": run.command,
        }
        flat |= {k: _cell(v) for k, v in _shallow(row).items()}
        flat["seed"] = run.seed if row.seed is None else row.seed
        flat["version"] = row.version or run.version
        flat["digests"] = _cell(row.digests or run.digests)
        flat["started"] = run.started
        rows.append(flat)
    return rows


def write_json(data: ReportData, path: Path) -> None:
    """Write ``metrics(data)`` as indented JSON."""
    path.write_text(
        json.dumps(metrics(data), indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )


def write_parquet(data: ReportData, path: Path) -> None:
    """Write ``flat_rows(data)``; a run without methods gives a file with the same columns and no rows."""
    import pandas

    rows = flat_rows(data)
    columns = list(flat_rows(dataclasses.replace(data, methods=(MethodRow("", "", "", ""),)))[0])
    frame = pandas.DataFrame(rows, columns=columns)
    floats = [f.name for f in dataclasses.fields(MethodRow) if f.type in ("float | None", "int | None")]
    frame[floats] = frame[floats].astype("float64")
    frame.to_parquet(path, index=False)


def read_metrics(path: Path) -> dict[str, Json]:
    """Read a ``metrics.json``, given the file or the folder of the report.

    Raises:
        InputError: there is none, it is not JSON, or it was written in another layout.
    """
    file = path / "metrics.json" if path.is_dir() else path
    try:
        metrics = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        hint = (
            " It is a bundle, which holds no measurement: compare two of them, whatever their encoders, by what susx predict --bundle says of the "
            "same photographs, or the runs they were made of."
            if (path / "bundle.json").is_file()
            else ""
        )
        raise InputError(
            f"No report at {path}: expected the folder of a report, or its metrics.json.{hint}"
        ) from None
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"{file} is not the metrics.json of a report ({error}). Build the report again."
        ) from None
    if not isinstance(metrics, dict) or metrics.get("schema") != SCHEMA:
        version = metrics.get("schema") if isinstance(metrics, dict) else None
        raise InputError(
            f"{file} has layout {version!r}, this susx reads layout {SCHEMA}. Build the report again."
        )
    return metrics


def _shallow(row: MethodRow) -> dict[str, Any]:
    return {f.name: getattr(row, f.name) for f in dataclasses.fields(row)}


def _cell(value: Any) -> Any:
    return json.dumps(dict(value), sort_keys=True) if isinstance(value, Mapping) else value


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value
