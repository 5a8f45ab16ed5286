"""The textures' classifier and its bundle, as in the tests of the classifier."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from susx.bundle.bundle_description import JSON, Description
from susx.store import digest_file
from tests.classifier.conftest import (  # noqa: F401
    build_classifier,
    bundle_folder,
    class_names,
    classifier_folder,
    draw,
    load,
)


@pytest.fixture
def copied(bundle_folder: Path, tmp_path: Path) -> Path:  # noqa: F811
    """A copy of the bundle, to be damaged."""
    return Path(shutil.copytree(bundle_folder, tmp_path / "bundle"))


def sealed_again(folder: Path, **changes: Any) -> None:
    """Write a description whose digests are right for what lies there now, as a stranger could."""
    told = json.loads((folder / JSON).read_text()) | changes
    files = told.get("files", {})
    if "files" not in changes:
        told["files"] = {name: digest_file(folder / name) for name in files if (folder / name).exists()}
    told = Description.model_validate_json(json.dumps(told)).sealed()
    (folder / JSON).write_text(told.model_dump_json())


@pytest.fixture
def seal() -> Callable[..., None]:
    """Function (folder, changes): see ``sealed_again``."""
    return sealed_again
