"""A run folder is of one build at every moment, whoever reads, deletes, crashes or publishes beside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from susx.commands.store import app
from susx.errors import StoreError
from susx.store import ArtefactStore, digest_bytes
from susx.store import runs as runs_module
from susx.store.runs import damaged_runs, faults, publish, run_folder

NAMES = ("report.html", "metrics.json", "classifier/classifier.json", "classifier/classifier.safetensors")


def publish_build(store: ArtefactStore, source: Path, build: str) -> None:
    """Publish files that all say which build they are of."""
    files = {}
    for name in NAMES:
        path = source / build / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{build} {name}")
        files[name] = (path, digest_bytes(path.read_bytes()))
    publish(store, "run", files, {"build": build})


def seen(folder: Path) -> set[str]:
    """Return the builds that the files of a run are of, read as a program reads them: the folder is looked up once."""
    folder = folder.resolve()
    return {json.loads((folder / "run.json").read_text())["build"]} | {
        (folder / name).read_text().split()[0] for name in NAMES
    }


@pytest.fixture
def store(tmp_path: Path) -> ArtefactStore:
    store = ArtefactStore(tmp_path / "store")
    store.check_writable()
    return store


def test_the_folder_is_replaced_as_a_whole(store: ArtefactStore, tmp_path: Path) -> None:
    """A second build replaces every file; an equal one replaces run.json alone and nobody's files move."""
    folder = run_folder(store, "run")
    publish_build(store, tmp_path, "one")
    version = folder.resolve()
    publish(
        store,
        "run",
        {n: (version / n, digest_bytes((version / n).read_bytes())) for n in NAMES},
        {"build": "one"},
    )
    assert folder.resolve() == version
    publish_build(store, tmp_path, "two")
    assert folder.resolve() != version
    assert (seen(folder), seen(version)) == ({"two"}, {"one"})
    publish_build(store, tmp_path, "three")
    assert not version.exists()
    assert damaged_runs(store) == []


@pytest.mark.parametrize("name", [*NAMES, "run.json"])
@pytest.mark.parametrize("damage", ["delete", "empty", "alter"])
def test_a_damaged_run_is_named_and_published_again(
    store: ArtefactStore, tmp_path: Path, name: str, damage: str
) -> None:
    """A file that is deleted, emptied or altered is seen by verify, and the next build, though unchanged, mends it."""
    publish_build(store, tmp_path, "one")
    path = run_folder(store, "run") / name
    if damage == "delete":
        path.unlink()
    else:
        path.write_text("" if damage == "empty" else path.read_text()[:-1] + "?")
    (store.root / "artefacts").mkdir()
    assert (name in "".join(damaged_runs(store))) or (name == "run.json" and damage == "alter")
    if damaged_runs(store):
        done = CliRunner().invoke(app, ["verify", "--store", str(store.root)])
        assert done.exit_code == 1
        assert name.rpartition("/")[2] in done.output.replace("\n", "")
    publish_build(store, tmp_path, "one")
    assert damaged_runs(store) == []
    assert seen(run_folder(store, "run")) == {"one"}


def test_an_altered_artefact_is_not_published(store: ArtefactStore, tmp_path: Path) -> None:
    """What does not have the digest it was made with is refused, and the run stays as it was."""
    publish_build(store, tmp_path, "one")
    with pytest.raises(StoreError, match="altered"):
        publish(store, "run", {"report.html": (tmp_path / "one" / "report.html", "0" * 64)}, {"build": "two"})
    assert seen(run_folder(store, "run")) == {"one"}


@pytest.mark.parametrize("moment", range(16))
def test_readers_at_every_moment_of_a_publication(
    store: ArtefactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """A reader sees one build, and one that began before the switch finishes; a crash at that moment changes nothing."""
    publish_build(store, tmp_path, "one")
    folder = run_folder(store, "run")
    early, calls = folder.resolve(), []

    class Cut(BaseException):
        pass

    def hooked(original):  # type: ignore[no-untyped-def]
        def call(*args, **kwargs):  # type: ignore[no-untyped-def]
            assert seen(folder) in ({"one"}, {"two"})
            if len(calls) == moment:
                raise Cut
            calls.append(args)
            return original(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for place, name in (
            (os, "replace"),
            (os, "fsync"),
            (os, "symlink"),
            (shutil, "copyfile"),
            (shutil, "rmtree"),
        ):
            patch.setattr(place, name, hooked(getattr(place, name)))
        try:
            publish_build(store, tmp_path, "two")
        except Cut:
            pass
        else:
            pytest.skip("fewer moments than this")
    assert seen(folder) in ({"one"}, {"two"})
    assert {(early / name).read_text().split()[0] for name in NAMES} == {"one"}
    publish_build(store, tmp_path, "three")
    assert (seen(folder), faults(folder)) == ({"three"}, [])


PUBLISH_MANY = """
import sys
from pathlib import Path
from susx.store import ArtefactStore
from susx.store.fingerprint import digest_file
from susx.store.runs import publish
store, source, who, *names = ArtefactStore(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]
for turn in range(15):
    files = {}
    for name in names:
        path = source / who / str(turn) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{who}{turn} {name}")
        files[name] = (path, digest_file(path))
    publish(store, "run", files, {"build": f"{who}{turn}"})
"""


def test_two_builders_and_readers_of_one_run(store: ArtefactStore, tmp_path: Path) -> None:
    """Processes publishing one run again and again take turns; a reader never meets half, nor a mixture."""
    publish_build(store, tmp_path, "first")
    words = [sys.executable, "-c", PUBLISH_MANY, str(store.root), str(tmp_path)]
    builders = [subprocess.Popen([*words, who, *NAMES]) for who in ("a", "b")]
    folder, mixtures, reads = run_folder(store, "run"), [], 0
    while any(builder.poll() is None for builder in builders):
        try:
            builds = seen(folder)
        except (
            FileNotFoundError
        ):  # two publications ended while five files were read: the version is gone, not mixed
            continue
        reads += 1
        if len(builds) != 1:
            mixtures.append(builds)
    assert [builder.wait() for builder in builders] == [0, 0]
    assert (mixtures, reads > 0) == ([], True)
    assert faults(folder) == []


def test_a_moved_store_and_a_copied_folder(store: ArtefactStore, tmp_path: Path) -> None:
    """The link is relative; where a copy turned it into a folder, the next build makes it a link again."""
    publish_build(store, tmp_path, "one")
    moved = ArtefactStore(shutil.move(store.root, tmp_path / "elsewhere"))
    folder = run_folder(moved, "run")
    assert seen(folder) == {"one"}
    files = shutil.copytree(folder, tmp_path / "copy")
    folder.unlink()
    shutil.move(files, folder)
    publish_build(moved, tmp_path, "two")
    assert folder.is_symlink()
    assert seen(folder) == {"two"}


def test_threads_of_one_process_take_turns(store: ArtefactStore, tmp_path: Path) -> None:
    """Two flows in one process publish one run without disturbing each other."""

    def publish_many(who: str) -> None:
        for turn in range(15):
            publish_build(ArtefactStore(store.root), tmp_path / who, f"{who}{turn}")

    threads = [threading.Thread(target=publish_many, args=(who,)) for who in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults(run_folder(store, "run")) == []
    assert len(list((store.root / "runs" / ".versions" / "run").iterdir())) <= 2
    assert runs_module.damaged_runs(store) == []
