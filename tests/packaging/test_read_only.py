"""An installation that nobody may write to, used by somebody without a home: as in a container or on a cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import susx
from susx.demo.textures import render
from tests.commands.test_features_command import folder as feature_folder

PACKAGE = Path(susx.__file__).parent

# The package and all libraries become read-only in a mount namespace; within it a user without passwd entry, HOME and cache.
LOCKED = 'for place in "$PACKAGE" "$LIBRARIES"; do mount --bind "$place" "$place" && mount -o remount,bind,ro "$place" || exit 99; done; '
USER = 'exec unshare -U --map-user=12345 --map-group=12345 env -i PATH="$PATH" PYTHONPATH="$PYTHONPATH" TMPDIR="$TMPDIR" '


def locked(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as that user."""
    environment = {
        "PATH": os.environ["PATH"], "PACKAGE": str(PACKAGE), "LIBRARIES": str(Path(pytest.__file__).parents[1]),
        "PYTHONPATH": str(PACKAGE.parent), "TMPDIR": str(cwd / "tmp"),
    }  # fmt: skip
    (cwd / "tmp").mkdir(exist_ok=True)
    line = ["unshare", "-Urm", "sh", "-c", LOCKED + USER + '"$@"', "sh", *command]
    return subprocess.run(line, env=environment, cwd=cwd, capture_output=True, text=True, timeout=300)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that the user may write to; skips where the machine has no user namespaces."""
    if shutil.which("unshare") is None or locked(["true"], tmp_path).returncode:
        pytest.skip("no user and mount namespaces here")
    return tmp_path


def susx_says(place: Path, *arguments: str) -> str:
    code = "import sys; from susx.cli import main; main(sys.argv[1:])"
    done = locked([sys.executable, "-c", code, *arguments], place)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    return done.stdout


def test_nothing_can_be_written_there(place: Path) -> None:
    """The test tests what it says."""
    for folder in (PACKAGE, Path(pytest.__file__).parents[1]):
        done = locked(["sh", "-c", f'touch "{folder}/x"'], place)
        assert done.returncode != 0
        assert "ead-only" in done.stderr


def test_compiled_search_and_encoding_work_there(place: Path) -> None:
    """Numba finds a place for what it compiles; images are encoded and indexed."""
    feature_folder(place / "features")
    (place / "photos" / "dotted").mkdir(parents=True)
    for number in range(3):
        Image.fromarray(render("dotted", "web", "train", number)).save(place / f"photos/dotted/{number}.png")
    assert "tip_x" in susx_says(place, "evaluate", "--features", "features", "--methods", "tip_x")
    assert "3 images" in susx_says(place, "index", "build", "ix", "--images", "photos", "--tool", "susx")


@pytest.mark.nightly
def test_a_build_works_there(place: Path) -> None:
    """From names to a classifier that predicts."""
    (place / "two.yaml").write_text("name: two\nclasses: [dotted, woven]\n")
    small = ["--per-class", "2", "--set", "retrieval.pool_size=240", "--set", "retrieval.over_fetch=2"]
    said = susx_says(place, "build", "--dataset", "two.yaml", "--no-evaluate", *small)
    classifier = next(line for line in said.splitlines() if line.startswith("Classifier: ")).split(": ", 1)[1]
    Image.fromarray(render("dotted", "web", "train", 0)).save(place / "a.png")
    assert "dotted" in susx_says(place, "predict", "a.png", "--classifier", classifier)
