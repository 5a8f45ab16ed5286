"""Writing a report: one HTML file for people, JSON and parquet for machines."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path

from susx.errors import StoreError
from susx.report.gallery import counted
from susx.report.metrics import write_json, write_parquet
from susx.report.model import ReportData
from susx.report.published import published_for
from susx.report.report_page import render
from susx.store.disk import whole_file

__all__ = ["write_report"]

_LOG = logging.getLogger(__name__)


def write_report(data: ReportData, folder: Path) -> Path:
    """Write ``report.html``, ``metrics.json`` and ``metrics.parquet`` into ``folder`` and return the page's path.

    The page holds everything it shows (scripts, styles, pictures) and asks the network for nothing. Each file is written
    beside its name and renamed, so that an interrupted run leaves no half of one.

    Raises:
        StoreError: the folder cannot be written.
    """
    published = published_for(data.run.dataset) if data.published is None else data.published
    data = dataclasses.replace(data, counts=counted(data), published=published)
    page = folder / "report.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "metrics.json", lambda path: write_json(data, path))
        _write(folder / "metrics.parquet", lambda path: write_parquet(data, path))
        _write(page, lambda path: path.write_text(render(data), encoding="utf-8"))
    except OSError as error:
        raise StoreError(
            f"The report cannot be written to {folder}: {error}. Choose another folder or make room."
        ) from error
    _LOG.info("report: %s (%.1f MB)", page, page.stat().st_size / 1e6)
    return page


def _write(path: Path, writer: Callable[[Path], object]) -> None:
    with whole_file(path) as partial:
        writer(partial)
