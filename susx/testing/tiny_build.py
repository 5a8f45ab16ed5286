"""A build of a few milliseconds with real stages in a real store: one of each class, one of them all, and a run folder.

``draw`` is resumable and made of several files a class, as image stages are; ``sum up`` reads all of them, as a
classifier does. What is drawn follows from (class, prompt, count) alone, so that every content can be foretold.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from susx.pipeline.executors import Executor, InlineExecutor, PlanExecutor, PlannedJob
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job, Outcome, Ref
from susx.store.runs import publish, run_folder
from susx.types import Json

__all__ = ["TinyBuild"]


@dataclass
class TinyBuild:
    """What is built: prompts by class, files a class, a setting of the last stage.

    Attributes:
        during: called with the stage's name when a stage has written half of its files, and before it ends.
        drawn: every file that was drawn, in order: nothing finished may be drawn twice.
    """

    prompts: dict[str, str] = field(default_factory=lambda: {"cat": "a cat", "dog": "a dog"})
    count: int = 2
    alpha: int = 1
    during: Callable[[str], object] = lambda stage: None
    drawn: list[tuple[str, str]] = field(default_factory=list)

    def run(self, store: ArtefactStore) -> list[Outcome]:
        """Build, publish, and return what each job did."""
        executor = InlineExecutor(store)
        total = self._walk(executor)
        manifest = store.manifest(total.stage, total.key)
        assert manifest is not None
        files = {name: (store.path(total, name), digest) for name, digest in manifest.files.items()}
        publish(store, "tiny", files, {"artefacts": {"report": total.key}, "alpha": self.alpha})
        return executor.outcomes

    def plan(self, store: ArtefactStore) -> list[PlannedJob]:
        """Return what a build would do."""
        executor = PlanExecutor(store)
        self._walk(executor)
        return executor.planned

    def shown(self, store: ArtefactStore) -> dict[str, bytes]:
        """Return what a person finds in the run folder, but for where and when."""
        folder = run_folder(store, "tiny").resolve()
        return {
            p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
        }

    def expected(self) -> dict[str, bytes]:
        """Return what a build from nothing writes into the artefact of all classes."""
        lines = {
            name: [_content(name, prompt, i) for i in range(self.count)]
            for name, prompt in self.prompts.items()
        }
        return {"sub/total.json": _total(lines, self.alpha), "alpha.txt": str(self.alpha).encode()}

    def _walk(self, executor: Executor) -> Ref:
        draw = Stage("draw", 1, self._draw, "Draw", resumable=True)
        jobs = [
            Job("draw", 1, "tiny", name, {"prompt": prompt, "count": self.count})
            for name, prompt in self.prompts.items()
        ]
        refs = dict(zip(self.prompts, executor.run(draw, jobs), strict=True))
        sum_up = Stage("sum-up", 1, self._sum_up, "Sum up")
        [total] = executor.run(sum_up, [Job("sum-up", 1, "tiny", "", {"alpha": self.alpha}, refs)])
        return total

    def _draw(self, job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
        (out / "images").mkdir(exist_ok=True)
        for i in range(job.params["count"]):
            path, text = out / "images" / f"{i}.txt", _content(job.subject, job.params["prompt"], i)
            if not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text:
                path.write_text(text, encoding="utf-8")
                self.drawn.append((job.key, path.name))
            if i == job.params["count"] // 2:
                self.during("draw")
        self.during("draw")
        return {"images": job.params["count"]}

    def _sum_up(self, job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
        lines = {
            name: [path.read_text(encoding="utf-8") for path in sorted(store.path(ref, "images").iterdir())]
            for name, ref in job.inputs.items()
        }
        (out / "sub").mkdir()
        (out / "sub" / "total.json").write_bytes(_total(lines, job.params["alpha"]))
        self.during("sum-up")
        (out / "alpha.txt").write_text(str(job.params["alpha"]), encoding="utf-8")
        return {"classes": len(lines)}


def _content(name: str, prompt: str, index: int) -> str:
    return hashlib.sha256(f"{name}|{prompt}|{index}".encode()).hexdigest()


def _total(lines: Mapping[str, list[str]], alpha: int) -> bytes:
    return json.dumps({"alpha": alpha, "lines": lines}, sort_keys=True).encode()
