"""Is the promise of ``susx label audit`` kept? ``PYTHONPATH=. python benchmarks/audit_simulation.py --real FOLDER [--audits 2000]``.

Labels of real features (FOLDER as for ``name_only.py``) by zero-shot, by whitened prototypes and by folder prototypes, which is what
``susx label`` writes, with the domain in the pool; the true labels answer.
Every audit is a new draw. A promise is broken where one of the statements it makes is false; an audit that releases nothing states nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest

from benchmarks.name_only import Cell, Real, evidence_of, statistics_of
from benchmarks.tables import table
from susx.labelling.answers_file import Answer
from susx.labelling.audit import Audit, Promise, draw_audit, draw_sample, promise
from susx.methods import FolderPrototypes, ImageFeatures, WhitenedPrototypes, ZeroShot
from susx.methods.functional.folder_prototypes import label_folder

QUESTIONS = {
    "the most confident half, n = 100": (100, {"share": 0.5}),
    "the quarters, n = 100": (100, {}),
    "an error of 5 %, n = 100": (100, {"error": 0.05}),
    "an error of 5 %, n = 400": (400, {"error": 0.05}),
    "an error of 10 %, n = 200": (200, {"error": 0.1}),
}
COSTS = (50, 75, 100, 150, 200, 300, 400, 600, 800, 1200)


def labelled(real: Real, folder: Path) -> Iterator[tuple[str, pd.DataFrame, np.ndarray]]:
    """Yield a table of labels with what is true of each image, for each data set and method."""
    cells = [cell for cell in real.cells() if cell.name.endswith(" in")]
    root = folder / "clip-vit-b-32" / "oxford_pets16"
    loaded = {
        stem: torch.load(root / f"{stem}.pt", map_location="cpu", weights_only=True)
        for stem in ("test_f", "test_l", "unlabelled_f")
    }
    unit = torch.nn.functional.normalize
    others = real.pool[torch.from_numpy(real.source != "oxford_pets")]
    cells.append(
        Cell(
            "Pets-16 in", unit(torch.from_numpy(np.load(root / "text.npy")).float()), torch.cat([others, unit(loaded["unlabelled_f"].float())]),
            unit(loaded["test_f"].float()), loaded["test_l"].long(),
        )
    )  # fmt: skip
    for cell in cells:
        evidence = evidence_of(cell, statistics_of(cell))
        for method in (ZeroShot(), WhitenedPrototypes(), FolderPrototypes()):
            outside: np.ndarray | float = 0.0
            if isinstance(method, FolderPrototypes):
                labels = label_folder(method.fit(evidence).inductive, cell.query)
                chances, outside = labels.probabilities, labels.none_of_these.double().numpy()
            else:
                chances = method.logits(method.fit(evidence), ImageFeatures(cell.query)).softmax(1)
            best, label = chances.max(1)
            names = np.array([f"class {at}" for at in range(len(cell.text))], dtype=object)
            frame = pd.DataFrame({
                "path": [f"{at}.jpg" for at in range(len(best))], "digest": [f"{at:064x}" for at in range(len(best))],
                "label": names[label.numpy()], "probability": best.double().numpy(), "none_of_these": outside, "by_person": False,
            })  # fmt: skip
            yield (
                f"{cell.name.removesuffix(' in')}, {method.title.lower()}",
                frame,
                names[cell.labels.numpy()],
            )


def audits(
    frame: pd.DataFrame, truth: np.ndarray, n: int, question: dict[str, float], count: int
) -> Iterator[tuple[Audit, Promise, np.ndarray]]:
    """Yield audits with their promises and, by place in the audited labels, which are wrong."""
    first = draw_audit(frame, n, **question)  # type: ignore[arg-type]
    true_of = dict(zip(frame["digest"], truth, strict=True))
    answers = {digest: Answer("", "", digest, label) for digest, label in true_of.items()}
    wrong = (first.labels["label"] != first.labels["digest"].map(true_of)).to_numpy()
    bare = first.labels[["path", "digest", "label", "confidence"]]
    for seed in range(count):
        audit = dataclasses.replace(first, labels=draw_sample(bare, first.design, seed))
        yield audit, promise(audit, answers), wrong


def simulate(
    frame: pd.DataFrame, truth: np.ndarray, n: int, question: dict[str, float], count: int
) -> list[str]:
    broken, released, stated, by_class = 0, [], [], 0
    for audit, said, wrong in audits(frame, truth, n, question, count):
        if audit.error is None:
            broken += any(wrong[: one.labels].sum() > one.most_wrong for one in said.regions)
            stated.append(said.regions[-1].least_right)
        else:
            size = said.released.labels if said.released else 0
            released.append(size / len(frame))
            broken += bool(size) and wrong[:size].sum() > audit.error * size
        names = audit.labels["label"].to_numpy()
        by_class += any((wrong & (names == one.name)).sum() > one.most_wrong for one in said.by_class)
    low, high = binomtest(broken, count).proportion_ci(0.95)
    kept = f"{100 * (1 - broken / count):.2f} [{100 * (1 - high):.2f}, {100 * (1 - low):.2f}]"
    gives = (
        f"releases {100 * np.mean(released):.1f} %"
        if released
        else f"at least {100 * np.mean(stated):.1f} % right"
    )
    return [kept, gives, f"{100 * (1 - by_class / count):.2f}"]


def cost_of_half(frame: pd.DataFrame, truth: np.ndarray, count: int) -> list[str]:
    """Return the smallest n of which 80 % and more of the audits release the most confident half at 5 %."""
    _, _, wrong = next(audits(frame, truth, 50, {"share": 0.5}, 1))
    is_wrong = f"{100 * wrong.mean():.2f} %"
    if wrong.mean() >= 0.05:
        return [is_wrong, "no number: more are wrong"]
    for n in COSTS:
        passed = np.mean(
            [
                said.regions[-1].most_wrong <= 0.05 * len(wrong)
                for _, said, _ in audits(frame, truth, n, {"share": 0.5}, count)
            ]
        )
        if passed >= 0.8:
            return [is_wrong, f"{min(n, len(wrong))} ({100 * passed:.0f} % of audits release it)"]
    return [is_wrong, f"more than {COSTS[-1]}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--audits", type=int, default=2000)
    given = parser.parse_args()
    kept, costs = [], []
    for name, frame, truth in labelled(Real(given.real), given.real):
        accuracy = float((frame["label"].to_numpy() == truth).mean())
        title = f"{name} (n = {len(frame)}, {100 * accuracy:.1f} % right)"
        for question, (n, words) in QUESTIONS.items():
            kept.append([title, question, *simulate(frame, truth, n, words, given.audits)])
            print(kept[-1], flush=True)
        costs.append([title, *cost_of_half(frame, truth, min(given.audits, 400))])
        print(costs[-1], flush=True)
    print(
        table(
            [
                "labels",
                "question",
                "promise kept, % of audits [95 % interval]",
                "mean of what it gives",
                "of classes, kept %",
            ],
            kept,
        )
    )
    print(
        table(["labels", "wrong in the most confident half", "images to look at to release it at 5 %"], costs)
    )


if __name__ == "__main__":
    main()
