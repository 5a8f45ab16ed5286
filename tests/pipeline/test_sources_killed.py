"""A build of every source killed at three moments: the next goes on, asks nothing twice, and ends as one that nobody hindered."""

from __future__ import annotations

import contextlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from susx.cli import main
from susx.testing.collections import pictures
from susx.testing.forks import FORKS
from susx.testing.http_openverse import OpenverseServer
from susx.testing.http_organisms import GbifServer, InaturalistServer
from susx.testing.http_source import SourceServer
from susx.testing.http_viewer import DATASET, ViewerServer
from susx.testing.world import CLASSES, World, build_world, new_world

CHEAP = (
    "tuning=[fixed]",
    "methods={tip_adapter: {}}",
    "headline=tip_adapter/fixed",
    "curation.min_side=1",
    "retrieval.over_fetch=4",
)
TAXA = {name: f"{name.title()}us vulgaris" for name in CLASSES}
MOMENTS = ("search", "fetch", "curate")
"""Stages during whose work the build is killed: at the first sign of an artefact of theirs."""
THREADS = 16
"""Images that are fetched at once, and may be under way when the build is killed."""


def rows(classes: list[str]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"image": one.image, "caption": one.caption, "license": one.licence, "creator": one.author, "page": one.page}
            for one in pictures(classes, 9)
        ]
    )  # fmt: skip


def parquet(folder: Path) -> tuple[str, ...]:
    pq.write_table(rows(CLASSES), folder / "set.parquet")
    return ("retrieval.backend=parquet", f"retrieval.data={folder / 'set.parquet'}")


def lance(folder: Path) -> tuple[str, ...]:
    pytest.importorskip("lancedb").connect(str(folder / "db")).create_table("shown", rows(CLASSES))
    return ("retrieval.backend=lance", f"retrieval.data={folder / 'db'}")


def auto(folder: Path, server: SourceServer) -> tuple[str, ...]:
    pytest.importorskip("lancedb").connect(str(folder / "db")).create_table("half", rows(CLASSES[:2]))
    return (
        "retrieval.backend=auto", f"retrieval.lance.data={folder / 'db'}", f"retrieval.openverse.address={server.address}",
    )  # fmt: skip


def chain(folder: Path, server: SourceServer) -> tuple[str, ...]:
    pq.write_table(rows(CLASSES[:2]), folder / "half.parquet")
    return (
        "retrieval.backend=chain", "retrieval.sources=[parquet, openverse]", f"retrieval.parquet.data={folder / 'half.parquet'}",
        f"retrieval.openverse.address={server.address}",
    )  # fmt: skip


@contextlib.contextmanager
def source(kind: str, folder: Path) -> Iterator[tuple[World, SourceServer | None]]:
    """Yield a world that has nothing built yet, with its source; the server where it has one."""
    folder.mkdir()
    local: dict[str, Callable[[Path], tuple[str, ...]]] = {"parquet": parquet, "lance": lance}
    shown = pictures(CLASSES, 9)
    with contextlib.ExitStack() as stack:
        server: SourceServer | None = None
        if kind in local:
            settings = local[kind](folder)
        elif kind in ("chain", "auto"):
            server = stack.enter_context(OpenverseServer(shown))
            settings = {"chain": chain, "auto": auto}[kind](folder, server)
        else:
            kinds: dict[str, Callable[[], SourceServer]] = {
                "openverse": lambda: OpenverseServer(shown), "viewer": lambda: ViewerServer(shown),
                "inaturalist": lambda: InaturalistServer(shown, TAXA), "gbif": lambda: GbifServer(shown, TAXA),
            }  # fmt: skip
            server = stack.enter_context(kinds[kind]())
            more = (f"retrieval.dataset={DATASET}",) if kind == "viewer" else ()
            settings = (f"retrieval.backend={kind}", f"retrieval.address={server.address}", *more)
        world = new_world(folder)
        world.options = replace(world.options, settings=())
        hosts = (f"download.allow_hosts=['{server.host}']",) if server else ()
        world.change(*settings, *hosts, *CHEAP, evaluate=False)
        yield world, server


def support(world: World) -> pd.DataFrame:
    """Return the support without its links, which hold a server's port."""
    return pd.read_parquet(world.store.path(world.result.support, "support.parquet")).drop(columns="url")


def begun(world: World, stage: str) -> bool:
    """Whether there is anything of an artefact of a stage, finished or not."""
    folder = world.store.root / "artefacts" / stage
    with contextlib.suppress(OSError):
        return any(folder.iterdir())
    return False


def kill(world: World, stage: str, environment: dict[str, str]) -> None:
    """Build in a process that is killed when it has begun a stage."""
    process = FORKS.Process(target=build_world, args=(world, environment))
    process.start()
    end = time.monotonic() + 120
    while not begun(world, stage) and process.is_alive():
        assert time.monotonic() < end
        time.sleep(0.002)
    assert process.is_alive(), f"it was to be killed in its middle, during {stage}"
    process.kill()
    process.join()


@pytest.mark.parametrize(
    "kind", ["openverse", "inaturalist", "gbif", "viewer", "parquet", "lance", "chain", "auto"]
)
def test_killed_three_times(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGKILL in the search, while images come, and after; the result is that of a build without kills, with the credits of every image."""
    environment = {"SUSX_CONTACT": "ada@example.org", "SUSX_CACHE": str(tmp_path / "cache")}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with source(kind, tmp_path / "unhindered") as (world, server):
        world.build()
        right = support(world)
        questions = len(server.asked) if server else 0
    with source(kind, tmp_path / "killed") as (world, server):
        if server:
            server.latency = 0.05
        for stage in MOMENTS:
            kill(world, stage, environment)
        if server:
            server.latency = 0.0
        world.build()
        pd.testing.assert_frame_equal(support(world), right)
        assert (right["rejected"] == "").groupby(right["class_name"]).sum().tolist() == [2] * len(CLASSES)
        capsys.readouterr()
        main(["support", "credits", str(world.store.path(world.result.support, "support.parquet"))])
        assert len(re.findall(r"^\* .*, by Author \d of ", capsys.readouterr().out, re.M)) == 2 * len(CLASSES)
        assert (world.store.folder(world.result.report) / "report.html").is_file()
        if server:
            asked = Counter((one.path, *sorted(one.parameters.items())) for one in server.asked)
            assert len(asked) == questions
            assert sum(asked.values()) <= questions + 1, "the question under way is asked again, at most"
            assert sum(server.fetched.values()) <= len(server.fetched) + THREADS
