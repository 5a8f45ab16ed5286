"""``susx generalise``: a classifier on other data sets of the same classes (imagenet -> imagenet-sketch, -r)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from susx.commands.endings import JsonFile
from susx.commands.shared_options import ClassifierFolder, Device

__all__ = ["generalise"]


def generalise(
    classifier: ClassifierFolder,
    target: Annotated[
        list[str],
        typer.Option(help="Data set to measure on, as NAME or NAME=FOLDER of its images; repeatable."),
    ],
    split: Annotated[
        Literal["val", "test"], typer.Option(help="Split of the data sets: val or test.")
    ] = "test",
    json_file: JsonFile = None,
    device: Device = "auto",
) -> None:
    """Measure a classifier on other data sets of the same classes, beside zero-shot with the same prompts.

    A data set that holds only some of the classes is measured among its own.
    """
    import dataclasses

    from susx.classifier import load_classifier
    from susx.classifier.generalise import generalise as measure
    from susx.commands.console import escape, output, write_json
    from susx.commands.terminal_table import Column, print_table
    from susx.config import load_dataset
    from susx.datasets import read_split
    from susx.errors import InputError

    loaded = load_classifier(classifier, device=device)
    rows = []
    for entry in target:
        name, _, root = entry.partition("=")
        dataset = load_dataset(name)
        images = read_split(dataset, Path(root).expanduser() if root else None, split)
        if images is None:
            raise InputError(
                f"The {split} split of {dataset.name} is not there. Give the folder of its images: "
                f"--target {name}=FOLDER ('susx datasets info {dataset.name}' says what it must hold)."
            )
        rows.append(measure(loaded, dataset.name, images.images(), images.labels, dataset.classes))
    of = f"{loaded.facts.dataset}, {loaded.stored.method.name}/{loaded.facts.tuning}"
    title = f"Classifier of {escape(of)}: top-1 % with 95 % interval"
    headings = ("classes", "n", "zero-shot", "classifier", "difference")
    lines = []
    for row in rows:
        plain, ours, gain = (
            f"{100 * (value or 0):{sign}.2f} ({100 * (low or 0):.1f} to {100 * (high or 0):.1f})"
            for value, low, high, sign in (
                (row.zero_shot, row.zero_shot_low, row.zero_shot_high, ""), (row.top1, row.low, row.high, ""),
                (row.gain, row.gain_low, row.gain_high, "+"),
            )
        )  # fmt: skip
        lines.append((escape(row.dataset), str(row.classes), str(row.n), plain, ours, gain))
    columns = [Column("data set", "name"), *(Column(heading, "number") for heading in headings)]
    print_table(output(json_file), title, columns, lines)
    write_json(json_file, [dataclasses.asdict(row) for row in rows])
