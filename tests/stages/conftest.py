"""Fixtures of the small world (:mod:`susx.testing.world`)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from susx.testing.world import World, new_world


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world that was built once; do not change it."""
    world = new_world(tmp_path_factory.mktemp("built"))
    world.build()
    return world


@pytest.fixture
def world(built: World, tmp_path: Path) -> World:
    """A private copy of the built world, store included."""
    shutil.copytree(built.folder / "store", tmp_path / "store")
    return new_world(tmp_path)
