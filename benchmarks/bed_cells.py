"""The bed's cells: which classes, which queries, which pool. Nothing of a method is in here.

Two halves share no image that is asked and no draw of classes. Of the *choosing* half the queries are the swapped splits (DTD's val,
SUN397's eight shots a class, the even half of Pets' test images), of the *untouched* half DTD's test, SUN397's val and the odd half
of Pets'. A pool with the domain holds the images of the other split. Every draw has a seed of its own from the half, the data set, the kind of classes
and its number, so that a cell is the same whichever others are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from benchmarks.name_only import SCALE, Real
from susx.methods.functional.domain import normal_spread, surrogate_rows
from susx.methods.functional.support_choice import candidate_rows, choose_support
from susx.methods.functional.whitening import covariance
from susx.methods.pool_statistics import NEAREST, PoolStatistics

__all__ = ["SETS", "Bed", "Cell", "Draw", "Pool", "Support"]

SETS = ("DTD", "SUN", "Pets")
_MOST_DRAWS = 24
_SOURCE = {"SUN": "sun397", "Pets": "oxford_pets"}


@dataclass(frozen=True)
class Pool:
    """Unlabelled rows, their moments, and their scaled cosines with some of all prompts; ``columns`` says which column is whose."""

    rows: Tensor
    z: Tensor
    mean: Tensor
    covariance: Tensor
    spread: Tensor
    surrogates: Tensor
    columns: Tensor

    @classmethod
    def of(cls, rows: Tensor, text: Tensor, columns: Tensor) -> Pool:
        """Return the pool of these rows for the prompts ``columns`` of ``text``; what follows is worked out once for all cells."""
        prompts = text[columns].T.contiguous()
        return cls._of(
            rows, SCALE * (rows @ prompts), rows.double().mean(dim=0), covariance(rows), text, columns
        )

    @classmethod
    def _of(
        cls, rows: Tensor, z: Tensor, mean: Tensor, moments: Tensor, text: Tensor, columns: Tensor
    ) -> Pool:
        spread, prompts = normal_spread(moments), text[columns].T.contiguous()
        surrogates = torch.cat([SCALE * (part @ prompts) for part in surrogate_rows(mean, spread, len(rows))])
        place = torch.full((len(text),), -1)
        place[columns] = torch.arange(len(columns))
        return cls(rows, z, mean, moments, spread, surrogates, place)

    def with_rows(self, added: Tensor, text: Tensor, columns: Tensor) -> Pool:
        """Return the pool with a few rows more for some of its prompts, its moments from those that are here."""
        many, few = len(self.rows), len(added)
        part = few / (many + few)
        apart = added.double().mean(dim=0) - self.mean
        mean = self.mean + part * apart
        moments = (
            (1 - part) * self.covariance
            + part * covariance(added)
            + part * (1 - part) * torch.outer(apart, apart)
        )
        z = torch.cat([self.z[:, self.columns[columns]], SCALE * (added @ text[columns].T)])
        return self._of(torch.cat([self.rows, added]), z, mean, moments, text, columns)

    def statistics(self, classes: Tensor) -> PoolStatistics:
        """Return what ``gather_pool_statistics`` would for these classes."""
        z = self.z[:, self.columns[classes]]
        nearest = z.topk(min(NEAREST, len(z)), dim=0)
        own = z.argmax(dim=1)[nearest.indices] == torch.arange(len(classes))
        return PoolStatistics(
            "", "", len(self.rows), 0, self.mean, self.covariance, nearest.values.T.double(), own.T,
        )  # fmt: skip


@dataclass(frozen=True)
class Draw:
    """A set of classes (rows of all prompts), the queries that show them, and how support is chosen.

    Attributes:
        numbers: of the queries, the same for the same image in every draw.
        tail: images of the last class where the first has ``per_class``, falling geometrically; None for equal numbers.
    """

    classes: Tensor
    queries: Tensor
    labels: Tensor
    numbers: Tensor
    per_class: int = 16
    tail: int | None = None


@dataclass(frozen=True)
class Cell:
    """Draws of one kind of classes, each with its pool.

    Attributes:
        side: whether the pool holds the domain, ``in`` or ``out``; with near misses alone it does not.
    """

    data: str
    kind: str
    pool: str
    draws: tuple[Draw, ...]

    @property
    def side(self) -> str:
        """Return in or out."""
        return "in" if self.pool.endswith("in") else "out"

    @property
    def name(self) -> str:
        """Return what the tables call it."""
        return f"{self.data}, {self.kind}, {self.pool}"


@dataclass(frozen=True)
class Support:
    """What a build would choose from the pool for a draw."""

    text: Tensor
    rows: Tensor
    labels: Tensor
    pool: PoolStatistics
    surrogates: Tensor
    spread: Tensor


class Bed:
    """All prompts, queries and pools of one half."""

    def __init__(self, folder: Path, untouched: bool, *, fewest: int = 4, asked: int = 1200) -> None:
        self.real, self.untouched = Real(folder), untouched
        self.fewest, self.asked = fewest, asked
        pets = self.real.root / "oxford_pets16"
        texts = [
            self.real.text["dtd"], self.real.text["sun397"], self._unit(torch.from_numpy(np.load(pets / "text.npy"))),
        ]  # fmt: skip
        self.text = torch.cat(texts)
        self.first = dict(zip(SETS, np.cumsum([0, *map(len, texts)]).tolist(), strict=False))
        self.size = {name: len(text) for name, text in zip(SETS, texts, strict=True)}
        rows, labels = self._load("oxford_pets16/test_f"), self._load("oxford_pets16/test_l").long()
        half = slice(1, None, 2) if untouched else slice(0, None, 2)
        dtd, sun = self.real.dtd, self.real.sun
        self.queries = {
            "DTD": dtd["test" if untouched else "val"],
            "SUN": sun["val" if untouched else "keys"],
            "Pets": (self._unit(rows)[half], labels[half]),
        }
        breeds = self._unit(self._load("oxford_pets16/unlabelled_f"))
        # Nobody labelled these breeds; the prompts are right about nine in ten.
        self.inside = {
            "DTD": dtd["val" if untouched else "test"],
            "SUN": sun["keys" if untouched else "val"],
            "Pets": (breeds, (breeds @ self._prompts("Pets").T).argmax(dim=1)),
        }
        self._pools: dict[tuple[str, str], Pool] = {}

    def _load(self, stem: str) -> Tensor:
        loaded: Tensor = torch.load(self.real.root / f"{stem}.pt", map_location="cpu", weights_only=True)
        return loaded

    @staticmethod
    def _unit(rows: Tensor) -> Tensor:
        return torch.nn.functional.normalize(rows.float()).contiguous()

    def _prompts(self, name: str) -> Tensor:
        return self.text[self.first[name] : self.first[name] + self.size[name]]

    def _random(self, *what: object) -> torch.Generator:
        half = "untouched" if self.untouched else "choosing"
        return torch.Generator().manual_seed(crc32(" ".join(map(str, (half, *what))).encode()))

    def pool(self, data: str, kind: str, draw: Draw) -> Pool:
        """Return a pool of a data set: in, out, thinned, the name of a source, near misses of a draw's classes."""
        if kind.startswith("near misses"):
            added = self._near_misses(data, kind, draw)
            return self.pool(data, "out", draw).with_rows(added, self.text, draw.classes)
        if (data, kind) not in self._pools:
            columns = torch.arange(len(self.text))
            if data != "merged":
                columns = columns[self.first[data] : self.first[data] + self.size[data]]
            self._pools[data, kind] = Pool.of(self._rows(data, kind), self.text, columns)
        return self._pools[data, kind]

    def _rows(self, data: str, kind: str) -> Tensor:
        own = list(_SOURCE.values()) if data == "merged" else [_SOURCE.get(data)]
        outside = self.real.pool[torch.from_numpy(~np.isin(self.real.source, own))]
        if kind == "out":
            return outside
        if kind.startswith("thinned"):
            rows = self._rows(data, kind.split()[1])
            return rows[torch.randperm(len(rows), generator=self._random(data, kind))[: len(rows) // 8]]
        if kind != "in":
            return self.real.of(kind)
        inside = [self.inside[name][0] for name in (SETS if data == "merged" else (data,))]
        return torch.cat([outside, *inside])

    def _near_misses(self, data: str, kind: str, draw: Draw) -> Tensor:
        """Return what comes to the pool without the domain: images of as many classes of it as are drawn, the nearest to them in
        text space that are not drawn; ``near misses in`` adds a quarter of the drawn classes' own images.
        """
        rows, labels = self.inside[data]
        place = draw.classes - self.first[data]
        prompts = self._prompts(data)
        near = (prompts @ prompts[place].T).amax(dim=1)
        near[place] = -torch.inf
        misses = near.topk(min(len(place), len(near) - len(place))).indices
        parts = [rows[torch.isin(labels, misses)]]
        if kind.endswith("in"):
            drawn = rows[torch.isin(labels, place)]
            parts.append(
                drawn[torch.randperm(len(drawn), generator=self._random(data, kind))[: len(drawn) // 4]]
            )
        return torch.cat(parts)

    def support(self, data: str, kind: str, draw: Draw) -> Support:
        """Return the support that a build would have: candidates, one choice, statistics of the whole pool."""
        pool = self.pool(data, kind, draw)
        text = self.text[draw.classes]
        rows, labels = candidate_rows(pool.z[:, pool.columns[draw.classes]], draw.per_class)
        kept = choose_support(text, SCALE, pool.rows[rows], labels, draw.per_class).kept
        if draw.tail is not None:
            steps = torch.arange(len(text)) / max(1, len(text) - 1)
            most = (draw.per_class * (draw.tail / draw.per_class) ** steps).round().clamp(min=1)
            place = torch.arange(len(kept)) - torch.searchsorted(labels[kept], labels[kept])
            kept = kept[place < most[labels[kept]]]
        return Support(
            text, pool.rows[rows[kept]], labels[kept], pool.statistics(draw.classes),
            pool.surrogates[:, pool.columns[draw.classes]], pool.spread,
        )  # fmt: skip

    def _draw(self, parts: dict[str, Tensor]) -> Draw:
        """Return the draw of some classes of some data sets."""
        classes, queries, labels, numbers, begin = [], [], [], [], 0
        for name, chosen in parts.items():
            rows, truth = self.queries[name]
            place = torch.full((self.size[name],), -1)
            place[chosen] = torch.arange(len(chosen)) + begin
            kept = place[truth] >= 0
            classes.append(chosen + self.first[name])
            queries.append(rows[kept])
            labels.append(place[truth[kept]])
            numbers.append(kept.nonzero()[:, 0] + 10**6 * SETS.index(name))
            begin += len(chosen)
        return Draw(*(torch.cat(tensors) for tensors in (classes, queries, labels, numbers)))

    def _some(self, data: str, kind: str, count: int) -> tuple[Draw, ...]:
        """Return draws of random classes, or of a random class and those nearest to it in text space."""
        prompts = self._prompts(data)

        def one(number: int) -> Draw:
            order = torch.randperm(len(prompts), generator=self._random(data, kind, number))
            chosen = (
                (prompts @ prompts[order[0]]).topk(count).indices if kind.endswith("alike") else order[:count]
            )
            return self._draw({data: chosen})

        return self._enough(one)

    def _enough(self, one: Callable[[int], Draw]) -> tuple[Draw, ...]:
        """Return as many draws as ask some 1,200 images between them: with 4 classes of 8 images a draw has 32."""
        made, asked = list[Draw](), 0
        while len(made) < self.fewest or (asked < self.asked and len(made) < _MOST_DRAWS):
            made.append(one(len(made)))
            asked += len(made[-1].labels)
        return tuple(made)

    def _by_accuracy(self, data: str) -> Tensor:
        """Return the classes by their zero-shot accuracy, the highest first."""
        rows, labels = self.queries[data]
        right = ((rows @ self._prompts(data).T).argmax(dim=1) == labels).double()
        sums = torch.zeros(self.size[data], dtype=torch.float64).index_add_(0, labels, right)
        return (sums / torch.bincount(labels, minlength=self.size[data]).clamp(min=1)).argsort(
            descending=True
        )

    def cells(self) -> Iterator[Cell]:
        """Yield all cells; those of one data set and pool follow each other where they can."""
        for data in SETS:
            yield from self._of_one(data)
        for counts in ((4, 4, 4), (8, 8, 4), (16, 32, 8), (32, 64, 16)):
            kind = f"{sum(counts)} random"

            def one(number: int, kind: str = kind, counts: tuple[int, ...] = counts) -> Draw:
                random = self._random("merged", kind, number)
                return self._draw({
                    name: torch.randperm(self.size[name], generator=random)[:count]
                    for name, count in zip(SETS, counts, strict=True)
                })  # fmt: skip

            made = self._enough(one)
            for pool in ("in", "out", "thinned in", "thinned out"):
                yield Cell("merged", kind, pool, made)

    def _of_one(self, data: str) -> Iterator[Cell]:
        size = self.size[data]
        kinds = {
            f"{count} {how}": self._some(data, f"{count} {how}", count)
            for count in (4, 8, 16, 32, 64) if count < size
            for how in ("random", "alike")
        }  # fmt: skip
        few = {kind: kinds[kind] for kind in (f"{min(16, size // 2)} random", f"{min(16, size // 2)} alike")}
        ranked = self._by_accuracy(data)
        middle, most = len(ranked) // 2, min(64, len(ranked) // 2)
        for half, classes in (("easy half", ranked[:middle]), ("hard half", ranked[middle:])):
            chosen = torch.randperm(len(classes), generator=self._random(data, half))[:most]
            kinds[half] = (self._draw({data: classes[chosen]}),)
        kinds["all"] = (self._draw({data: torch.arange(size)}),)
        count = min(32, 3 * size // 4)
        some = self._some(data, f"{count} random", count)
        for per_class in (1, 2, 4, 8, 32):
            kinds[f"{count} random, K = {per_class}"] = tuple(
                replace(one, per_class=per_class) for one in some
            )
        kinds[f"{count} random, long tail"] = tuple(replace(one, tail=1) for one in some)
        for pool in ("in", "out"):
            for kind, made in kinds.items():
                yield Cell(data, kind, pool, made)
        sources = sorted(set(self.real.source.tolist()) - {_SOURCE.get(data)})
        for pool in ("thinned in", "thinned out", "near misses in", "near misses out", *sources):
            for kind, made in few.items():
                # A pool with near misses is a draw's own, and costs as much as ten draws of another.
                yield Cell(data, kind, pool, made[: self.fewest] if pool.startswith("near misses") else made)
