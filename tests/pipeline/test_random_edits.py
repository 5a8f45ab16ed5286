"""Random edits, damage and interruptions over the real stages: each build does what was foretold, and equals one from nothing.

As ``tests/store/test_stateful.py`` does with stages of milliseconds; here sources are files that people edit in their place.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from susx.demo.textures import render
from susx.features import encoder
from susx.pipeline import fetch, generate, retrieval
from susx.pipeline.executors import InlineExecutor
from susx.pipeline.graph import build
from susx.pipeline.plan import plan_build
from susx.store.garbage import collect
from susx.store.inventory import damaged
from susx.testing.world import CLASSES, World
from tests.pipeline.test_originals import replace, unpacked

SPARE = ("chequered", "zigzagged")
EDITS_IN_A_SEQUENCE, EDITS_BETWEEN_COMPARISONS = 9, 3


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the code under test catches it on purpose."""


class Dying(InlineExecutor):
    """Dies in the middle of a stage after some jobs."""

    left = 0

    def run(self, stage: Any, jobs: Any) -> Any:
        """Carry out jobs until it dies within one, whose files are written and not committed."""

        def last(job: Any, store: Any, out: Path) -> Any:
            counts = stage.run(job, store, out)
            self.left -= 1
            if self.left < 0:
                raise Killed
            return counts

        return super().run(dataclasses.replace(stage, run=last), jobs)


@dataclasses.dataclass
class Life:
    """A world with everything that people bring, and what may happen to it between two builds."""

    world: World
    choice: random.Random

    @property
    def folder(self) -> Path:
        """Where all of it lies."""
        return self.world.folder

    def begin(self) -> None:
        """Lay out a labelled target, examples, sentences and an index of pictures in files."""
        index = unpacked(self.world, self.folder / "index")
        for name in (*CLASSES, *SPARE):
            for number in range(4):
                self.draw(f"target/{name}/{number}.png", name, "camera", number)
        for number in range(2):
            self.draw(f"examples/dotted/{number}.png", "dotted", "web", number)
        self.write_labels()
        self.write_sentences()
        csv = {"kind": "csv", "folder": "", "options": {"file": "labels.csv"}}
        self.world.write(reader=csv, examples="examples", cupl="cupl.json")
        self.world.change(
            "retrieval.backend=index", f"retrieval.folder={index}", "generation.steps=1",
            "methods={zero_shot: {}, tip_x: {}, whitened_prototypes: {}}", "tuning=[fixed, val]", data_root=str(self.folder),
        )  # fmt: skip

    def draw(self, name: str, texture: str, domain: str, number: int) -> None:
        """Write a texture as a picture of one's own."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(render(texture, domain, "test" if domain == "camera" else "train", number)).save(path)

    def write_labels(self) -> None:
        """Write the table of labels, in some order."""
        lines = [
            f"target/{name}/{number}.png,{name},{'val' if number < 2 else 'test'}"
            for name in self.world.description["classes"]
            for number in range(4)
        ]
        self.choice.shuffle(lines)
        (self.folder / "labels.csv").write_text("\n".join(["path,class,split", *lines]) + "\n")

    def write_sentences(self, changed: str = "") -> None:
        """Write sentences of all classes, those of one with another number."""
        sentences = {
            name: [f"{name} is a texture{'' if name != changed else self.choice.randint(0, 99)}."]
            for name in (*CLASSES, *SPARE)
        }
        (self.folder / "cupl.json").write_text(json.dumps(sentences))

    # ------------------------------------------------------------- what people want

    def classes(self) -> None:
        """Want other classes, in some order."""
        others = [name for name in (*CLASSES, *SPARE) if name != "dotted"]  # of which there are examples
        names = ["dotted", *self.choice.sample(others, self.choice.choice([2, 3, 4]))]
        self.choice.shuffle(names)
        self.world.write(classes=names)
        self.write_labels()

    def settings(self) -> None:
        """Change one setting."""
        self.world.change(
            self.choice.choice(
                [
                    f"methods={{zero_shot: {{}}, tip_x: {{alpha: {self.choice.uniform(1, 9):.3f}}}, whitened_prototypes: {{}}}}",
                    f"curation.min_similarity={self.choice.uniform(0, 0.4):.2f}",
                    f"curation.duplicate_rule={self.choice.choice(['both', 'either', 'hash', 'embedding'])}",
                    f"curation.balance={self.choice.choice(['none', 'truncate'])}",
                    f"retrieval.over_fetch={self.choice.choice([1, 2, 3])}",
                    f"tuning={self.choice.choice(['[fixed]', '[fixed, support]', '[fixed, val]'])}",
                    f"download.image_size={self.choice.choice([96, 128, 256])}",
                ]
            )
        )

    def options(self) -> None:
        """Change how many, from where, and by which sentences."""
        self.world.change(
            per_class=self.choice.choice([1, 2, 3]), seed=self.choice.choice([0, 7]),
            mode=self.choice.choice(["retrieve", "retrieve", "generate,retrieve"]), prompts=self.choice.choice(["photo", "cupl"]),
        )  # fmt: skip

    def words(self) -> None:
        """Change the prompt of all classes, and the title that nothing depends on."""
        self.world.write(
            photo_prompt=f"{{}} texture {self.choice.randint(0, 99)}.", title=str(self.choice.random())
        )

    # ----------------------------------------------------------- what happens to sources

    def sentences(self) -> None:
        """Change a sentence of one class."""
        self.write_sentences(self.choice.choice(CLASSES))

    def labels(self) -> None:
        """Put the table into another order."""
        self.write_labels()

    def target_picture(self) -> None:
        """Put another picture in the place of a labelled one."""
        name = self.choice.choice(CLASSES)
        self.draw(
            f"target/{name}/{self.choice.randint(0, 3)}.png", name, "camera", self.choice.randint(5, 99)
        )

    def example(self) -> None:
        """Change, add or remove a picture of one's own."""
        path = self.folder / "examples" / "dotted" / f"{self.choice.randint(0, 2)}.png"
        if path.exists() and self.choice.random() < 0.4:
            path.unlink()
        else:
            self.draw(
                str(path.relative_to(self.folder)),
                self.choice.choice(CLASSES),
                "web",
                self.choice.randint(5, 99),
            )
        self.draw("examples/dotted/kept.png", "dotted", "web", 50)

    def pool_picture(self) -> None:
        """Put another picture in the place of one that the index names, with its time."""
        pictures = sorted((self.folder / "index" / "pics").iterdir())
        replace(self.choice.choice(pictures), self.choice.choice(pictures).read_bytes())

    def pool_rows(self) -> None:
        """Give every row of the index the picture of another."""
        (file,) = (self.folder / "index" / "metadata").glob("*.parquet")
        table = pq.read_table(file)
        file.unlink()
        shift = self.choice.randint(1, 5)
        pq.write_table(
            table.take(pa.array([(row + shift) % table.num_rows for row in range(table.num_rows)])), file
        )

    # ------------------------------------------------------- what happens to the store

    def damage(self) -> None:
        """Alter, cut or remove a file of an artefact."""
        files = sorted(path for path in (self.world.store.root / "artefacts").rglob("*") if path.is_file())
        path = self.choice.choice(files)
        data = path.read_bytes()
        kind = self.choice.choice(["flip", "cut", "delete"])
        if kind == "flip" and data:
            at = self.choice.randrange(len(data))
            replace(path, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        elif kind == "cut":
            path.write_bytes(data[: len(data) // 2])
        else:
            path.unlink()

    def slots(self) -> None:
        """Forget why things were made."""
        for path in self.choice.sample(sorted((self.world.store.root / "slots").rglob("*.json")), 3):
            path.unlink()

    def garbage(self) -> None:
        """Clean, as strictly as can be or as people do."""
        collect(self.world.store, keep_seconds=self.choice.choice([-10.0, 3600.0]), delete=True)

    def verify(self) -> None:
        """Look for damage, which takes it out."""
        list(damaged(self.world.store))

    def moved(self) -> None:
        """Move the store."""
        target = f"{self.world.options.store}+"
        shutil.move(self.world.options.store, target)
        self.world.change(store=target)

    def new_process(self) -> None:
        """Forget what a process remembers."""
        for memo in (retrieval._backend, generate._pipeline, encoder._load):
            memo.cache_clear()

    def killed(self) -> None:
        """Change a setting, and die in the middle of the build."""
        executor = Dying(self.world.store)
        executor.left = self.choice.randint(0, 20)
        self.settings()
        with contextlib.suppress(Killed):
            build(plan_build(self.world.options), executor)

    # ------------------------------------------------------------------------ checks

    def built(self, after: str) -> None:
        """Build: what was foretold, and no more."""
        states = {(entry.job.stage, entry.job.subject): entry.state for entry in self.world.plan()}
        computed = self.world.computed()
        sure = {unit for unit, state in states.items() if state in {"stale", "missing"}}
        waiting = {unit for unit, state in states.items() if state == "waits"}
        assert sure <= computed <= sure | waiting, after
        assert {entry.state for entry in self.world.plan()} == {"fresh"}, after

    def content(self) -> dict[tuple[str, str], str]:
        """Return (stage, subject) -> digest of what the build is made of, and the rows of its report."""
        refs = {
            (outcome.ref.stage, outcome.ref.subject): outcome.ref.digest
            for outcome in self.world.build()
            if outcome.ref.stage
            not in {"report", "download"}  # these say when, and what was asked on the way
        }
        metrics = json.loads((self.world.store.folder(self.world.result.report) / "metrics.json").read_text())
        shown = ("methods", "words", "confusions", "confusion_matrix", "counts")
        return refs | {("report", name): json.dumps(metrics[name], sort_keys=True) for name in shown}

    def same_from_nothing(self, after: str) -> None:
        """An empty store gives the same artefacts."""
        now, store = self.content(), self.world.options.store
        self.new_process()
        self.world.change(store=str(self.folder / "empty"))
        nothing = self.content()
        shutil.rmtree(self.folder / "empty")
        self.world.change(store=store)
        assert {
            unit for unit in now.keys() | nothing.keys() if now.get(unit) != nothing.get(unit)
        } == set(), after


EVENTS: tuple[Callable[[Life], None], ...] = (
    Life.classes, Life.settings, Life.settings, Life.options, Life.words, Life.sentences, Life.labels, Life.target_picture, Life.example,
    Life.pool_picture, Life.pool_rows, Life.damage, Life.damage, Life.slots, Life.garbage, Life.verify, Life.moved, Life.new_process, Life.killed,
)  # fmt: skip


@pytest.mark.nightly
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(12))
def test_any_order_of_edits(world: World, seed: int) -> None:
    """Nine events in a random order, a build after each, a build from nothing after each third."""
    life = Life(world, random.Random(seed))
    life.begin()
    life.built("begin")
    for number in range(EDITS_IN_A_SEQUENCE):
        event = life.choice.choice(EVENTS)
        event(life)
        print(seed, number, event.__name__, flush=True)
        life.built(event.__name__)
        if (number + 1) % EDITS_BETWEEN_COMPARISONS == 0:
            life.same_from_nothing(event.__name__)
    assert os.path.isdir(life.world.options.store)
    assert fetch.STAGE.resumable
