"""A small folder that was labelled: real pictures of the embedded world, and a server of its review."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from susx.demo.textures import render
from susx.encoder_id import EncoderId
from susx.labelling.label_record import LabelRecord
from susx.labelling.label_result import LabelResult
from susx.methods.functional.folder_prototypes import inductive_from_folder
from susx.store import ArtefactStore
from susx.store.image_rows import ImageRows

NAMES = ("banded", "dotted", "woven")


def make_result(
    folder: Path,
    images: int = 30,
    classes: tuple[str, ...] = NAMES,
    *,
    drawn: int | None = None,
    size: int = 64,
) -> LabelResult:
    """Write ``images`` photographs and a table of labels, every fifth wrong, the last three near-duplicates of each other.

    Args:
        folder: photographs go below ``photos``, the result below ``result``.
        images: rows of the table.
        classes: class names.
        drawn: number of photographs that are drawn; the others are rows without a file. All by default.
        size: of the photographs, in pixels.
    """
    photographs = folder / "photos"
    photographs.mkdir(parents=True)
    drawn = images if drawn is None else drawn
    rows = []
    for at in range(images):
        path, digest = f"{at:05d}.png", hashlib.sha256(str(at).encode()).hexdigest()
        label = classes[at % len(classes)]
        if at < drawn:
            shown = classes[(at + (at % 5 == 4)) % len(classes)]
            Image.fromarray(render(shown, "camera", "test", at, size)).save(photographs / path)
            digest = hashlib.sha256((photographs / path).read_bytes()).hexdigest()
        sure = 0.4 + 0.6 * (at % 17) / 17
        alike = min(at, images - 3)
        rows.append(
            (
                path,
                label,
                sure,
                classes[(at + 1) % len(classes)],
                1 - sure,
                2 * sure - 1,
                0.05,
                alike,
                False,
                digest,
            )
        )
    columns = [
        "path",
        "label",
        "probability",
        "second",
        "second_probability",
        "margin",
        "none_of_these",
        "group",
        "by_person",
        "digest",
    ]
    frame = pd.DataFrame(rows, columns=columns)
    text = torch.nn.functional.normalize(torch.eye(len(classes), max(4, len(classes))), dim=1)
    model = inductive_from_folder(text, 10.0, text)
    record = LabelRecord(classes, str(photographs), EncoderId("toy", "0" * 64))
    return LabelResult(record, frame, model=model).write(folder / "result")


def make_taught(folder: Path, images: int = 90) -> LabelResult:
    """Write a labelled folder whose features lie in a store: three clusters, of which the names take the second for the first class."""
    drawn = make_result(folder, images)
    text = torch.nn.functional.normalize(torch.eye(3, 16), dim=1)
    cluster = np.arange(images) % 3
    rows = 0.1 * np.random.default_rng(0).normal(size=(images, 16)) + np.eye(16)[5 + cluster]
    rows += 0.4 * np.eye(16)[np.where(cluster == 1, 0, cluster)]
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    ImageRows(ArtefactStore(folder / "store"), EncoderId("tiny", "0" * 64)).add(
        drawn.frame["digest"].tolist(), rows
    )
    record = dataclasses.replace(drawn.record, store=str(folder / "store"))
    model = inductive_from_folder(text, 10.0, torch.from_numpy(rows))
    return LabelResult(record, drawn.frame, model=model).relabel({}).write(folder / "result")


@pytest.fixture
def labelled(tmp_path: Path) -> LabelResult:
    """Thirty labels of thirty pictures."""
    return make_result(tmp_path)


CODE = """
import sys
from pathlib import Path
from susx.commands.label_review import review
review(Path(sys.argv[1]), 0, sys.argv[2], None, False)
"""


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Start the review of a result in a process of its own and return its address."""
    started: list[subprocess.Popen[str]] = []

    def start(result: Path, who: str = "ann") -> str:
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, str(result), who],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "http://127.0.0.1:" in line:
                return line.split(" at ")[1].split()[0]
        raise AssertionError("".join(lines))

    yield start
    for process in started:
        process.terminate()
        process.wait(timeout=30)
        assert process.stdout is not None
        process.stdout.close()
