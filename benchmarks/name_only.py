"""The study of name-only methods on real features: ``PYTHONPATH=. python benchmarks/name_only.py --real FOLDER``.

FOLDER holds ``clip-vit-b-32/{dtd,sun397,pool}`` as the tests of real features read it (SUSX_REAL_DATA). Class prompts
are the only supervision. A cell is a data set measured with a pool that holds images of it (*in*: the unlabelled images
of another split among others) or does not (*out*). Constants were chosen on the *swapped* cells, which exchange the
roles of the two splits. Writes a page of tables and two figures.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from benchmarks import svg
from benchmarks.tables import gain, spoken, table
from benchmarks.timing import best_of
from susx.evaluation.confidence import class_confidence
from susx.features.gather_pool import gather_pool_statistics
from susx.features.pool_search import nearest_rows, support_from_pool
from susx.methods import Evidence, ImageFeatures, Method, TipAdapter, TipX, WhitenedPrototypes, ZeroShot
from susx.methods.functional.support_trust import support_trust
from susx.methods.functional.whitened_prototypes import Constants, fit_prototypes, prototype_scores
from susx.methods.pool_statistics import PoolStatistics

SCALE = 100.0
PER_CLASS = 16
TIP_X = TipX(1.0, 5.5, 1.0)


@dataclass(frozen=True)
class Cell:
    """Prompts, an unlabelled pool, and labelled images that only measure."""

    name: str
    text: Tensor
    pool: Tensor
    query: Tensor
    labels: Tensor


class Real:
    """The features of ``--real``."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "clip-vit-b-32"
        self.pool = self._unit(torch.from_numpy(np.load(self.root / "pool" / "features.npy")))
        with open(self.root / "pool" / "rows.csv", encoding="utf-8") as file:
            self.source = np.array([row["dataset"] for row in csv.DictReader(file)])
        self.text = {
            n: self._unit(torch.from_numpy(np.load(self.root / n / "text.npy"))) for n in ("dtd", "sun397")
        }
        self.dtd = {
            s: (self._unit(self._load(f"dtd/{s}_f")), self._load(f"dtd/{s}_l").long())
            for s in ("val", "test")
        }
        keys, values = self._load("sun397/keys_8shots"), self._load("sun397/values_8shots")
        self.sun = {
            "keys": (self._unit(keys.T), values.float().argmax(1)),
            "val": (self._unit(self._load("sun397/val_f")), self._load("sun397/val_l").long()),
        }

    def _load(self, stem: str) -> Tensor:
        loaded: Tensor = torch.load(self.root / f"{stem}.pt", map_location="cpu", weights_only=True)
        return loaded

    @staticmethod
    def _unit(rows: Tensor) -> Tensor:
        return torch.nn.functional.normalize(rows.float()).contiguous()

    def of(self, *sources: str) -> Tensor:
        """Return the pool's rows of some data sets."""
        return self.pool[torch.from_numpy(np.isin(self.source, sources))]

    @property
    def without_sun(self) -> Tensor:
        """Return the pool without its rows of SUN397."""
        return self.pool[torch.from_numpy(self.source != "sun397")]

    def cells(self, swapped: bool = False) -> list[Cell]:
        """Return DTD in, DTD out, SUN in, SUN out."""
        ask, hold = ("val", "test") if swapped else ("test", "val")
        query, labels = self.dtd[ask]
        sun_query, sun_labels = self.sun["keys" if swapped else "val"]
        sun_in = torch.cat([self.without_sun, self.sun["val"][0]]) if swapped else self.pool
        dtd, sun = self.text["dtd"], self.text["sun397"]
        return [
            Cell("DTD in", dtd, torch.cat([self.pool, self.dtd[hold][0]]), query, labels),
            Cell("DTD out", dtd, self.pool, query, labels),
            Cell("SUN in", sun, sun_in, sun_query, sun_labels),
            Cell("SUN out", sun, self.without_sun, sun_query, sun_labels),
        ]

    def other_pools(self) -> dict[str, Tensor]:
        """Return pools that are useless, or hold one kind of thing, or little."""
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(8000, self.pool.shape[1], generator=generator)
        pools = {name: self.of(name) for name in sorted(set(self.source)) if name != "sun397"}
        pools["noise"] = self._unit(noise)
        pools["noise of the pool's mean and variance"] = self._unit(
            self.pool.mean(0) + noise * self.pool.std(0)
        )
        for share in (0.01, 0.1, 0.3):
            chosen = torch.randperm(len(self.without_sun), generator=generator)[
                : int(share * len(self.without_sun))
            ]
            pools[f"{share:.0%} of the pool without SUN"] = self.without_sun[chosen]
        return pools


def statistics_of(cell: Cell) -> PoolStatistics:
    return gather_pool_statistics(cell.text, SCALE, [cell.pool.numpy()], "ViT-B/32")


def evidence_of(cell: Cell, statistics: PoolStatistics, per_class: int = PER_CLASS) -> Evidence:
    """Return the support that a build would choose from the pool."""
    support = support_from_pool(cell.text, SCALE, cell.pool, per_class)
    return Evidence(
        cell.text,
        SCALE,
        support_features=support.features,
        support_labels=support.labels,
        pool=statistics,
    )


def right(method: Method[Any], evidence: Evidence, cell: Cell) -> Tensor:
    """Return which images the method gets right."""
    logits = method.logits(method.fit(evidence), ImageFeatures(cell.query))
    return logits.argmax(1) == cell.labels


def percent(hits: Tensor) -> float:
    return 100 * float(hits.float().mean())


def by_cosine(cell: Cell) -> Evidence:
    """Return the support of the project's plain retrieval: the nearest by cosine."""
    _, near = nearest_rows(cell.text, cell.pool, PER_CLASS)
    labels = torch.arange(len(cell.text)).repeat_interleave(PER_CLASS)
    return Evidence(cell.text, SCALE, support_features=cell.pool[near.flatten()], support_labels=labels)


def main_table(cells: list[Cell], evidence: dict[str, Evidence]) -> tuple[str, dict[tuple[str, str], Tensor]]:
    """Return accuracies of all methods, and which images each gets right."""
    methods: list[tuple[str, Method[Any], bool]] = [
        ("zero-shot", ZeroShot(), False),
        ("Tip-Adapter (1, 5.5)", TipAdapter(), True),
        ("TIP-X (1, 5.5, 1)", TIP_X, True),
        ("TIP-X (1, 5.5, 1), same support as below", TIP_X, False),
        ("**whitened prototypes**", WhitenedPrototypes(), False),
    ]
    hits, rows = {}, []
    for title, method, cosine in methods:
        line = [title]
        for cell in cells:
            hits[title, cell.name] = right(method, by_cosine(cell) if cosine else evidence[cell.name], cell)
            line.append(f"{percent(hits[title, cell.name]):.2f}")
        values = [float(v) for v in line[1:]]
        rows.append([*line, f"{(values[0] + values[2]) / 2:.2f}", f"{(values[1] + values[3]) / 2:.2f}"])
    return table(["", *(c.name for c in cells), "mean in", "mean out"], rows), hits


def intervals(cells: list[Cell], hits: dict[tuple[str, str], Tensor]) -> tuple[str, str]:
    """Return paired bootstrap intervals of the gain, per cell and pooled, as a table and as a figure."""
    ours, rows, drawn = "**whitened prototypes**", [], []
    # The cells of one data set measure on the same images, which are no new ones for having been looked at twice.
    sets = {n: at for at, n in enumerate(dict.fromkeys(c.name.split()[0] for c in cells))}
    images = {c.name: torch.arange(len(c.query)) + 10**6 * sets[c.name.split()[0]] for c in cells}
    groups = [[c.name] for c in cells] + [[c.name for c in cells]]
    for names in groups:
        line = [names[0] if len(names) == 1 else "all four pooled"]
        for other in ("zero-shot", "TIP-X (1, 5.5, 1)"):
            found = gain(
                [hits[other, n] for n in names], [hits[ours, n] for n in names], [images[n] for n in names]
            )
            if other == "zero-shot":
                drawn.append((line[0], *(100 * part for part in found)))
            line.append(spoken(found))
        rows.append(line)
    title = "Gain of whitened prototypes over zero-shot with 95 % intervals"
    figure = svg.intervals(title, drawn, "points of top-1 over zero-shot, 95 % paired bootstrap interval")
    return table(["", "against zero-shot", "against TIP-X"], rows), figure


def scored(cell: Cell, evidence: Evidence, constants: Constants, rho: float | None = None) -> float:
    """Return the accuracy with other constants."""
    assert evidence.pool is not None
    features, labels = evidence.support("study")
    trust = evidence.derived(
        ("support trust", constants.depth),
        lambda: support_trust(cell.text, SCALE, features, labels, evidence.pool, constants.depth),
    )
    if rho is not None:
        trust = replace(trust, rho=rho)
    fit = fit_prototypes(cell.text, SCALE, features, labels, evidence.pool, constants, trust)
    added = prototype_scores(cell.query, fit.mean, fit.matrix, fit.prototypes) - fit.offset
    return percent((SCALE * cell.query @ cell.text.T + added).argmax(1) == cell.labels)


def ablations() -> Iterator[tuple[str, Constants, float | None]]:
    base = Constants()
    yield "as it is", base, None
    yield "no hubness bias", replace(base, bias=0.0), None
    yield "bias alone", replace(base, weight=0.0), None
    yield "equal weights of images", replace(base, decay=0.0, power=0.0), None
    yield "hardly whitened (shrinkage 100)", replace(base, shrinkage=100.0), None
    yield "text map hardly shared (ridge 0.01)", replace(base, ridge=0.01), None
    yield "class means alone never trusted (rho = 0)", base, 0.0
    yield "always trusted (rho = 1)", base, 1.0
    for name, values in {
        "weight": (3.0, 4.0, 6.0), "ridge": (0.5, 2.0), "shrinkage": (0.03, 0.3), "decay": (2.0, 8.0), "bias": (0.75, 1.25),
    }.items():  # fmt: skip
        for value in values:
            yield f"{name} {value:g}", replace(base, **{name: value}), None


def sweep(cells: list[Cell], make: Callable[[Cell], tuple[Evidence, Constants]]) -> list[str]:
    values = [scored(cell, *make(cell)) for cell in cells]
    return [
        *(f"{v:.2f}" for v in values),
        f"{(values[0] + values[2]) / 2:.2f}",
        f"{(values[1] + values[3]) / 2:.2f}",
    ]


def with_noise(cell: Cell, evidence: Evidence, share: float) -> Evidence:
    """Replace a share of the support by random images of the pool."""
    generator = torch.Generator().manual_seed(0)
    features, labels = evidence.support("study")
    changed = torch.rand(len(labels), generator=generator) < share
    drawn = cell.pool[torch.randint(0, len(cell.pool), (len(labels),), generator=generator)]
    return replace(
        evidence, support_features=torch.where(changed[:, None], drawn, features), support_labels=labels
    )


def long_tailed(evidence: Evidence) -> Evidence:
    """Keep 16 images of the first class down to 1 of the last, geometrically."""
    features, labels = evidence.support("study")
    classes = evidence.classes
    kept = (PER_CLASS ** (1 - torch.arange(classes) / max(1, classes - 1))).round().long().clamp(min=1)
    place = torch.arange(len(labels)) - torch.searchsorted(labels, labels)
    keep = place < kept[labels]
    return replace(evidence, support_features=features[keep], support_labels=labels[keep])


def cost(cell: Cell, evidence: Evidence) -> str:
    """Return times of building and classifying, best of five, in this process."""
    query, lines, seconds = ImageFeatures(cell.query), [], {}
    for method in (TIP_X, WhitenedPrototypes()):
        # On evidence of its own each time, as evidence keeps what fits on it share.
        built, _, state = best_of(5, lambda m=method: m.fit(replace(evidence)))
        best, _, _ = best_of(5, lambda m=method, s=state: m.logits(s, query))
        seconds[method.name] = best
        lines.append([method.title, f"{built:.2f}", f"{1e6 * best / len(query):.1f}"])
    ratio = seconds["whitened_prototypes"] / seconds["tip_x"]
    head = ["397 classes, 16 images each, one thread", "build, s", "microseconds an image"]
    return table(head, lines) + f"\nQuery cost against TIP-X: {ratio:.3f}.\n"


def confidences(cells: list[Cell], evidence: dict[str, Evidence]) -> str:
    """Return how the confidence of a class's support ranks with the accuracy of the class."""
    rows = []
    for cell in cells:
        given = evidence[cell.name]
        features, labels = given.support("study")
        found = class_confidence(features, labels, cell.text, SCALE)
        line = [cell.name, f"{100 * sum(c.confidence for c in found) / len(found):.1f}"]
        for method in (ZeroShot(), WhitenedPrototypes()):
            hits = right(method, given, cell).float()
            accuracy = [float(hits[cell.labels == c.label].mean()) for c in found]
            line.append(f"{spearmanr([c.confidence for c in found], accuracy)[0]:.2f}")
        rows.append(line)
    return table(["", "mean confidence, %", "rank correlation, zero-shot", "whitened prototypes"], rows)


def study(real: Real, images: Path) -> str:
    """Return the page's generated part; its figures go to ``images``."""
    torch.set_num_threads(1)
    page, means = [], ["mean in", "mean out"]
    cells = real.cells()
    for title, group in (
        ("The cells", cells),
        ("The swapped cells, on which constants were chosen", real.cells(True)),
    ):
        evidence = {cell.name: evidence_of(cell, statistics_of(cell)) for cell in group}
        accuracies, hits = main_table(group, evidence)
        between, figure = intervals(group, hits)
        page += [f"## {title}\n", accuracies]
        if group is cells:
            (images / "name-only-gains.svg").write_text(figure, encoding="utf-8")
            page.append("![Gains over zero-shot with their intervals](../images/name-only-gains.svg)\n")
        page += ["Paired 95 % bootstrap intervals of the gain, an image drawn with all its cells:\n", between]
        head = ["", *(c.name for c in group), *means]
        rows = []
        for name, constants, rho in ablations():
            values = [scored(c, evidence[c.name], constants, rho) for c in group]
            line = [*values, (values[0] + values[2]) / 2, (values[1] + values[3]) / 2]
            rows.append([name, *(f"{v:.2f}" for v in line)])
        page += [f"### Each step and constant, {title.lower()}\n", table(head, rows)]
        if group is cells:
            ours = evidence
    head = ["", *(c.name for c in cells), *means]
    rows = []
    numbers = (1, 2, 4, 8, 16, 32, 64)
    for k in numbers:
        constants = Constants(depth=max(k, PER_CLASS))
        rows.append(
            [f"K = {k}", *sweep(cells, lambda c, k=k, v=constants: (evidence_of(c, statistics_of(c), k), v))]
        )
    prompts = [float(v) for v in sweep(cells, lambda c: (ours[c.name], Constants(weight=0.0, bias=0.0)))]
    over = {c.name: [float(row[1 + at]) - prompts[at] for row in rows] for at, c in enumerate(cells)}
    words = "images a class (K)", "points of top-1 over zero-shot"
    figure = svg.lines("Gain over zero-shot by number of support images", numbers, over, *words)
    (images / "name-only-k.svg").write_text(figure, encoding="utf-8")
    page += [
        "## Images a class\n",
        "![Gain over zero-shot by number of support images](../images/name-only-k.svg)\n",
        table(head, rows),
    ]
    rows = [
        [
            f"{share:.0%} random images",
            *sweep(cells, lambda c, s=share: (with_noise(c, ours[c.name], s), Constants())),
        ]
        for share in (0.0, 0.1, 0.25, 0.5)
    ]
    rows.append(
        ["long-tailed, 16 to 1 images", *sweep(cells, lambda c: (long_tailed(ours[c.name]), Constants()))]
    )
    page += ["## Noise and long tails in the support\n", table(head, rows)]
    rows = []
    for name, pool in real.other_pools().items():
        line = [name, str(len(pool))]
        for cell in (cells[1], cells[3]):
            other = replace(cell, pool=pool)
            found = evidence_of(other, statistics_of(other))
            state = WhitenedPrototypes().fit(found)
            gain = percent(right(WhitenedPrototypes(), found, other)) - percent(
                right(ZeroShot(), found, other)
            )
            line += [f"{state.evidence:.3f}", f"{gain:+.2f}"]
        rows.append(line)
    page += [
        "## Useless and partial pools\n",
        table(["pool", "images", "DTD evidence", "gain", "SUN evidence", "gain"], rows),
    ]
    words = (
        "The mean probability that the prompts give a class over its support images, as the report lists it, and Spearman's "
        "rank correlation over the classes with their accuracy.\n"
    )
    page += ["## Confidence without labels\n", words, confidences(cells, ours)]
    page += ["## Cost\n", cost(cells[2], ours["SUN in"])]
    return "\n".join(page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("docs/methods/whitened-prototypes.md"))
    arguments = parser.parse_args()
    generated = study(Real(arguments.real), Path("docs/images"))
    mark = "<!-- generated by benchmarks/name_only.py -->\n"
    text = arguments.out.read_text(encoding="utf-8") if arguments.out.exists() else mark
    arguments.out.write_text(text.split(mark)[0] + mark + "\n" + generated, encoding="utf-8")
    print(generated)


if __name__ == "__main__":
    main()
