"""What ``susx build`` and ``susx status`` print."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape as escape_markup

from susx.commands.terminal_table import Column, print_table
from susx.errors import InputError
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.executors import PlannedJob
from susx.printable import for_json, for_terminal
from susx.store import write_atomically

__all__ = ["escape", "output", "print_banner", "print_plan", "print_summary", "print_toy", "write_json"]

WIDTH = 200
"""Columns of what goes to a file: no row is cut."""

TOY = "The models of this profile are the embedded toys: the numbers show how susx works, not how well CLIP does."


def escape(text: str) -> str:
    """Return foreign text for a console: neither markup nor anything that a terminal obeys."""
    return escape_markup(for_terminal(text))


def output(json_file: str | None = None) -> Console:
    """Return the console of standard output, or of standard error where JSON goes to standard output."""
    console = Console(highlight=False, stderr=json_file == "-")
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDTH
    return console


def write_json(file: str | None, value: Any) -> None:
    """Write a value for programs to a file, "-" for standard output; None writes nothing.

    Raises:
        InputError: the file cannot be written.
    """
    if file is None:
        return
    text = for_json(json.dumps(value, indent=1, ensure_ascii=False)) + "\n"
    if file == "-":
        sys.stdout.write(text)
        return
    try:
        write_atomically(Path(file), text.encode())
    except OSError as error:
        raise InputError(f"{file}: cannot be written ({error}). Choose another file.") from error


def print_banner(console: Console, plan: BuildPlan) -> None:
    """Say what is about to be built, and that toys are toys."""
    what = f"{len(plan.classes)} classes, {plan.profile.per_class} images a class, {' + '.join(plan.sources)}"
    console.print(f"[bold]susx[/] {escape(plan.dataset.name)}: {what}, profile {escape(plan.profile.name)}")
    print_toy(console, plan)
    for note in plan.notes:
        console.print(f"[yellow]{escape(note)}[/]")


def print_toy(console: Console, plan: BuildPlan) -> None:
    """Say that toys are toys, and which names they do not know."""
    if plan.profile.toy:
        console.print(f"[yellow]{TOY}[/]")
        from susx.demo.unknown import unknown_names

        if foreign := unknown_names(name for name in plan.classes if name not in plan.unnamed):
            named = ", ".join(foreign[:5]) + (" ..." if len(foreign) > 5 else "")
            console.print(
                f"[yellow]They know procedural textures alone, and not {escape(named)}: answers for "
                f"{'this name' if len(foreign) == 1 else f'these {len(foreign)} names'} will mean nothing. For real weights: "
                "'susx profiles list', then for instance --profile clip-vit-b16.[/]"
            )


def print_plan(console: Console, planned: Sequence[PlannedJob]) -> None:
    """Print one line per stage and state, with the reasons; single classes are named where they are few."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[str]] = defaultdict(list)
    for entry in planned:
        groups[entry.job.stage, entry.state, entry.reasons].append(entry.job.subject or "all")
    colour = {"fresh": "green", "stale": "yellow", "missing": "cyan", "running": "blue", "waits": "magenta"}
    rows = []
    for (stage, state, reasons), subjects in groups.items():
        which = ", ".join(subjects[:4]) + (", ..." if len(subjects) > 4 else "")
        shown = f"[{colour[state]}]{state}[/]"
        rows.append((stage, shown, str(len(subjects)), escape(which), escape("; ".join(reasons))))
    columns = (
        Column("stage", "name"),
        Column("state", "name"),
        Column("jobs", "number"),
        Column("which"),
        Column("why"),
    )
    print_table(console, "What a build would do", columns, rows)
    counts = Counter(entry.state for entry in planned)
    console.print(", ".join(f"{number} {state}" for state, number in counts.items()) + ".")


def _accuracy(row: Mapping[str, Any]) -> tuple[str, ...]:
    interval = f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"
    method = row["method"] + (" (is zero-shot)" if row.get("is_zero_shot") else "")
    return method, row["tuning"], f"{100 * row['top1']:.2f}", interval, str(row["n"])


def print_summary(console: Console, summary: Mapping[str, Any]) -> None:
    """Print stages, accuracies and where the report is."""
    columns = [
        Column("stage", "name"),
        *(Column(name, "number") for name in ("computed", "cached", "seconds")),
        Column("counts"),
    ]
    stages = [
        (
            stage["stage"], str(stage["computed"] or ""), str(stage["cached"] or ""), f"{stage['seconds']:.1f}",
            ", ".join(f"{value} {name}" for name, value in stage["counts"].items()),
        )
        for stage in summary["stages"]
    ]  # fmt: skip
    print_table(console, "Stages", columns, stages)
    for stage in summary["stages"]:
        for reason in stage["rebuilt"][:3]:
            console.print(f"[yellow]{stage['stage']} was made again: {escape(reason)}[/]")
    if summary["methods"]:
        numbers = ("top-1 %", "95 % interval", "images")
        columns = [
            Column("method", "name"),
            Column("tuning", "name"),
            *(Column(name, "number") for name in numbers),
        ]
        print_table(
            console, "Accuracy on the test split", columns, [_accuracy(row) for row in summary["methods"]]
        )
    else:
        console.print(summary["no_accuracy"])
    if bare := summary.get("without_support"):
        named = ", ".join(bare[:5]) + (" ..." if len(bare) > 5 else "")
        console.print(
            f"[yellow]{len(bare)} classes have no support image and are told by their prompts alone: {escape(named)}[/]"
        )
    if counts := summary["labelled_images"]:
        console.print(
            f"Labelled images: {', '.join(f'{number:,} {name}' for name, number in counts.items())}."
        )
    sentence = summary["packaged"]["sentence"]
    console.print(escape(sentence[:1].upper() + sentence[1:]), soft_wrap=True)
    console.print(f"Classifier: {escape(summary['classifier'])}", soft_wrap=True)
    console.print(f"Report: [bold]{escape(summary['report'])}[/]", soft_wrap=True)
