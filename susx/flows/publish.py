"""A run's tables as Prefect artifacts, for those who look at runs in its interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

__all__ = ["publish_artifacts"]


def publish_artifacts(summary: Mapping[str, Any]) -> None:
    """Publish a table (accuracies) and a markdown text (stages, report path) under the data set's key."""
    key = "".join(
        c if c.isalnum() else "-" for c in f"{summary['dataset']}-{summary['profile']}".lower()
    ).strip("-")
    rows = [
        {
            "method": row["method"], "tuning": row.get("tuning", ""), "images": row.get("n"),
            "top-1 %": _percent(row.get("top1")), "95 % interval": f"{_percent(row.get('low'))} - {_percent(row.get('high'))}",
        }
        for row in summary["methods"]
    ]  # fmt: skip
    if rows:
        create_table_artifact(rows, key=f"susx-accuracy-{key}", description=f"Accuracies of {summary['run']}")
    lines = [f"# {summary['run']}", "", f"`{summary['command']}`", "", f"Report: `{summary['report']}`", ""]
    if summary["toy"]:
        lines += ["The models are the embedded toys.", ""]
    lines += [_capital(summary["packaged"]["sentence"]), ""]
    for note in summary["notes"]:
        lines += [note, ""]
    lines += ["| stage | computed | cached | seconds |", "|---|---:|---:|---:|"]
    lines += [
        f"| {s['stage']} | {s['computed']} | {s['cached']} | {s['seconds']:.1f} |" for s in summary["stages"]
    ]
    create_markdown_artifact(
        "\n".join(lines), key=f"susx-run-{key}", description=f"Stages of {summary['run']}"
    )


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
