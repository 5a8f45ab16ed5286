"""The report of a run: one self-contained HTML page, ``metrics.json`` and ``metrics.parquet``."""

from typing import TYPE_CHECKING

from susx.lazy_names import lazily

if TYPE_CHECKING:
    from susx.report.figure_data import Bars, ClassChange, Curve, Histogram, Plane, Reliability
    from susx.report.metrics import read_metrics
    from susx.report.model import (
        ClassCount,
        ClassWords,
        Confidence,
        Confusion,
        ImageSource,
        MethodRow,
        PublishedNumber,
        QueryImage,
        ReportData,
        RunIdentity,
        StageRow,
        SupportImage,
    )
    from susx.report.published import published_for, published_numbers
    from susx.report.report_files import write_report

__all__ = [
    "Bars",
    "ClassChange",
    "ClassCount",
    "ClassWords",
    "Confidence",
    "Confusion",
    "Curve",
    "Histogram",
    "ImageSource",
    "MethodRow",
    "Plane",
    "PublishedNumber",
    "QueryImage",
    "Reliability",
    "ReportData",
    "RunIdentity",
    "StageRow",
    "SupportImage",
    "published_for",
    "published_numbers",
    "read_metrics",
    "write_report",
]

_PLACES = {
    "figure_data": (
        "Bars",
        "ClassChange",
        "Curve",
        "Histogram",
        "Plane",
        "Reliability",
    ),
    "metrics": ("read_metrics",),
    "model": (
        "ClassCount",
        "ClassWords",
        "Confidence",
        "Confusion",
        "ImageSource",
        "MethodRow",
        "PublishedNumber",
        "QueryImage",
        "ReportData",
        "RunIdentity",
        "StageRow",
        "SupportImage",
    ),
    "published": (
        "published_for",
        "published_numbers",
    ),
    "report_files": ("write_report",),
}

# The page of a folder that was labelled from a bundle is written where there is no torch.
__getattr__ = lazily(__name__, _PLACES)
