"""Stage ``report``: what a person reads and what a program reads of one build."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["run"]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``report.html``, ``metrics.json`` and ``metrics.parquet``."""
    from susx.report import write_report
    from susx.stages.report_data import report_data

    data = report_data(job, store)
    write_report(data, out)
    return {"methods": len(data.methods), "images shown": len(data.support)}
