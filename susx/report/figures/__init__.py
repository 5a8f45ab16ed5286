"""The figures of a report."""

from susx.report.figures.every import figures
from susx.report.figures.spec import Figure

__all__ = ["Figure", "figures"]
