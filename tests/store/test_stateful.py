"""Anything a person or a machine can do between builds, in any order: the next build is equal to one from nothing."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from susx.store import ArtefactStore, disk
from susx.store.garbage import collect
from susx.store.inventory import damaged
from susx.store.runs import damaged_runs, run_folder
from susx.testing.tiny_build import TinyBuild

NAMES = st.sampled_from(["cat", "dog", "hen", "a/b", "\u2028"])
WHICH = st.integers(0, 1000)


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the code under test catches it on purpose."""


class StoreMachine(RuleBasedStateMachine):
    """A store, what is wanted of it, and what has been finished in it."""

    @initialize()
    def begin(self) -> None:
        """Start with an empty store."""
        self.base = Path(tempfile.mkdtemp(prefix="susx-stateful-"))
        self.root = self.base / "store"
        self.build = TinyBuild()
        self.touched = self.doubtful = False
        self.settle = disk.SETTLE_NS
        self.unsynced = os.fsync
        os.fsync = lambda number: None  # type: ignore[assignment]
        ArtefactStore(self.root).check_writable()

    def teardown(self) -> None:
        """Leave nothing behind."""
        if hasattr(self, "base"):
            disk.SETTLE_NS = self.settle
            os.fsync = self.unsynced
            shutil.rmtree(self.base, ignore_errors=True)

    def file(self, which: int, *, below: str = "artefacts") -> Path | None:
        """Return one of the files of the store, manifests and facts included."""
        files = sorted(path for path in (self.root / below).rglob("*") if path.is_file())
        return files[which % len(files)] if files else None

    # ------------------------------------------------------------- what is wanted

    @rule(name=NAMES, prompt=st.sampled_from(["one", "other"]))
    def edit_a_prompt(self, name: str, prompt: str) -> None:
        """Change a prompt, or add a class."""
        self.build.prompts[name] = prompt

    @precondition(lambda self: len(self.build.prompts) > 1)
    @rule(which=WHICH)
    def drop_a_class(self, which: int) -> None:
        """Want a class less."""
        del self.build.prompts[sorted(self.build.prompts)[which % len(self.build.prompts)]]

    @rule()
    def reorder_classes(self) -> None:
        """Want the same in another order."""
        self.build.prompts = dict(reversed(self.build.prompts.items()))

    @rule(alpha=st.integers(1, 2), count=st.integers(1, 3))
    def edit_settings(self, alpha: int, count: int) -> None:
        """Change what one stage, or all, depend on."""
        self.build.alpha, self.build.count = alpha, count

    # --------------------------------------------------------- what happens to files

    @rule(which=WHICH, below=st.sampled_from(["artefacts", "artefacts", "partial", "slots", "runs"]))
    def delete(self, which: int, below: str) -> None:
        """Remove a file somewhere in the store."""
        if (path := self.file(which, below=below)) is not None:
            path.unlink()
            self.touched = self.doubtful = True

    @rule(which=WHICH, data=st.sampled_from([b"", b"\0" * 9, b"[]", b"{", None]), quietly=st.booleans())
    def corrupt(self, which: int, data: bytes | None, quietly: bool) -> None:
        """Write other bytes; quietly: of the same length, and with the same time."""
        if (path := self.file(which)) is not None:
            stat, before = path.stat(), path.read_bytes()
            if quietly and before:
                path.write_bytes(bytes([before[0] ^ 1]) + before[1:])
                os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            else:
                path.write_bytes(before + b"x" if data is None else data)
            self.touched = self.doubtful = True

    @rule(which=WHICH)
    def corrupt_the_run(self, which: int) -> None:
        """Overwrite a file that people see."""
        if (path := self.file(which, below="runs")) is not None:
            path.write_bytes(b"[1]")
            self.touched = self.doubtful = True

    @rule(which=WHICH)
    def touch(self, which: int) -> None:
        """Change the times of a file, not its content."""
        if (path := self.file(which)) is not None:
            os.utime(path)

    @rule()
    def wait(self) -> None:
        """Time passes: what is known of files is believed from now on."""
        disk.SETTLE_NS = -1
        for folder in (self.root / "artefacts").glob("*/??/*"):
            with contextlib.suppress(OSError):
                os.utime(folder, (1, 1))

    @rule()
    def move(self) -> None:
        """Move the store to another place."""
        target = self.root.with_name(self.root.name + "+")
        shutil.move(self.root, target)
        self.root = target

    @rule(keep=st.sampled_from([-10.0, 3600.0]))
    def gc(self, keep: float) -> None:
        """Clean, as strictly as can be or as people do."""
        collect(ArtefactStore(self.root), keep_seconds=keep, delete=True)

    @rule()
    def verify(self) -> None:
        """Verify finds damage only where there was some, and takes it out."""
        store = ArtefactStore(self.root)
        named = list(damaged(store))
        assert list(damaged(store)) == []
        # A build looks only at what it needs: damage of what an earlier one made stays until now.
        assert not named or self.doubtful
        self.doubtful = False

    # ------------------------------------------------------------------------ builds

    def expect(self, store: ArtefactStore) -> None:
        """The run folder shows what a build from nothing shows."""
        folder = run_folder(store, "tiny")
        assert {name: (folder / name).read_bytes() for name in self.build.expected()} == self.build.expected()
        assert json.loads((folder / "run.json").read_text())["alpha"] == self.build.alpha
        assert damaged_runs(store) == []

    @rule()
    def build_it(self) -> None:
        """Build: it does what the plan foretold, equals a build from nothing, and a second one does nothing."""
        store = ArtefactStore(self.root)
        plan = {(p.job.stage, p.job.subject): p for p in self.build.plan(store)}
        self.build.drawn.clear()
        outcomes = {(o.ref.stage, o.ref.subject): o.status for o in self.build.run(store)}
        for unit, entry in plan.items():
            if entry.state == "fresh":
                assert outcomes[unit] == "cached", (unit, entry)
            elif entry.job.ready:
                assert outcomes[unit] == "computed", (unit, entry)
        assert len(set(self.build.drawn)) == len(self.build.drawn)
        self.expect(store)
        again = ArtefactStore(self.root)
        assert {p.state for p in self.build.plan(again)} == {"fresh"}
        self.build.drawn.clear()
        assert {o.status for o in self.build.run(again)} == {"cached"}
        assert self.build.drawn == []
        self.touched = False

    @rule(at=st.integers(0, 8))
    def kill_a_build(self, at: int) -> None:
        """A build dies in the middle of a stage; what it had finished is not made again by the next."""
        calls = []

        def strike(stage: str) -> None:
            calls.append(stage)
            if len(calls) > at:
                raise Killed

        self.build.during = strike
        self.build.drawn.clear()
        with contextlib.suppress(Killed):
            self.build.run(ArtefactStore(self.root))
        self.build.during = lambda stage: None
        finished = list(self.build.drawn)
        if not self.touched:
            self.build.run(ArtefactStore(self.root))
            assert len(set(self.build.drawn)) == len(self.build.drawn), finished

    @rule()
    def two_builds_at_once(self) -> None:
        """Two builds share their work: nothing is drawn twice, both see the same."""
        self.build.drawn.clear()
        failures: list[BaseException] = []

        def one() -> None:
            try:
                self.build.run(ArtefactStore(self.root))
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=one) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(set(self.build.drawn)) == len(self.build.drawn)
        self.expect(ArtefactStore(self.root))
        self.touched = False

    @rule(keep=st.sampled_from([-10.0, 3600.0]))
    def gc_during_a_build(self, keep: float) -> None:
        """gc at every half and end of a stage takes nothing from the build."""
        self.build.during = lambda stage: collect(ArtefactStore(self.root), keep_seconds=keep, delete=True)
        try:
            self.build.run(ArtefactStore(self.root))
        finally:
            self.build.during = lambda stage: None
        self.expect(ArtefactStore(self.root))
        self.touched = False

    @invariant()
    def visible_files_are_of_one_build(self) -> None:
        """Unless somebody altered it, the run folder is whole at every moment."""
        if hasattr(self, "root") and not self.touched:
            assert damaged_runs(ArtefactStore(self.root)) == []


def machine(examples: int, steps: int) -> type[StoreMachine]:
    chosen = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None,
        suppress_health_check=list(HealthCheck), print_blob=True, derandomize=examples < 100,
    )  # fmt: skip
    return type("Machine", (StoreMachine,), {"chosen": chosen})


@pytest.mark.parametrize("examples", [40, pytest.param(3000, marks=pytest.mark.nightly)])
def test_any_order_of_events(examples: int) -> None:
    """Edits, damage, gc, crashes, builds at once, moves: equal to a build from nothing, foretold, nothing made twice."""
    from hypothesis.stateful import run_state_machine_as_test

    kind = machine(examples, 25)
    run_state_machine_as_test(kind, settings=kind.chosen)  # type: ignore[attr-defined]
