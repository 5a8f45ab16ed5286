"""Fixtures of the small world (:mod:`susx.testing.world`)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from susx.testing.world import World, new_world


@pytest.fixture(scope="session")
def built() -> World:
    """A world that one process of the session builds and the others find built; do not change it."""
    folder = Path(os.environ["SUSX_TEST_SESSION"]) / "world"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        world = new_world(folder)
        world.build()
    return world


@pytest.fixture
def world(built: World, tmp_path: Path) -> World:
    """A private copy of the built world, store included."""
    shutil.copytree(built.folder / "store", tmp_path / "store")
    return new_world(tmp_path)
