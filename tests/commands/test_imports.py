"""What each command imports: nothing heavy that it does not use."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "torch",
    "torchvision",
    "open_clip",
    "transformers",
    "diffusers",
    "pandas",
    "prefect",
    "sklearn",
    "faiss",
    "ray",
)

CODE = """
import json, sys
from susx.cli import main
try:
    main(sys.argv[2:])
except SystemExit as ended:
    assert not ended.code, ended.code
heavy = [name for name in json.loads(sys.argv[1]) if name in sys.modules]
print("LOADED", json.dumps(heavy))
"""


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (["--help"], set()),
        (["--version"], set()),
        (["profiles", "list"], set()),
        (["datasets", "list"], set()),
        (["status", "--dataset", "textures", "--store", "STORE"], set()),
        (["build", "--dataset", "textures", "--store", "STORE", "--dry-run"], set()),
        (["store", "ls", "--store", "STORE"], set()),
        (["report", "--help"], set()),
        (["predict", "--help"], set()),
        (["serve", "--help"], set()),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)  # fmt: skip
def test_nothing_heavy_is_imported(words: list[str], allowed: set[str], tmp_path: Path) -> None:
    """No torch, transformers, pandas or Prefect where nothing is computed."""
    (tmp_path / "artefacts").mkdir()
    words = [str(tmp_path) if word == "STORE" else word for word in words]
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(HEAVY), *words], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout.splitlines()[-1].removeprefix("LOADED"))
    assert set(loaded) <= allowed


def test_open_clip_comes_without_scikit_learn() -> None:
    """A quarter of its import, for a way of decoding text that nothing here uses; whoever needs it imports it later."""
    code = (
        "import sys\nfrom susx.features.open_clip_import import import_open_clip\nimport_open_clip()\n"
        "assert 'sklearn' not in sys.modules\nfrom sklearn.metrics import f1_score"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_unchanged_build_starts_nothing(tmp_path: Path) -> None:
    """Everything built: no torch, no Prefect, no server; the same summary but for times; --record makes a flow run."""
    from susx.testing.world import new_world

    world = new_world(tmp_path)
    world.build()
    words = ["build", "--dataset", str(world.yaml), "--per-class", "2", "--store", str(tmp_path / "store")]
    words += [word for setting in world.options.settings for word in ("--set", setting)]
    command = [sys.executable, "-c", CODE, json.dumps(HEAVY), *words]
    done = subprocess.run([*command, "--json", str(tmp_path / "first")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Nothing is stale" in done.stdout
    assert json.loads(done.stdout.splitlines()[-1].removeprefix("LOADED")) == []
    done = subprocess.run(
        [*command, "--json", str(tmp_path / "second"), "--record"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "prefect" in done.stdout.splitlines()[-1]
    first, second = (json.loads((tmp_path / name).read_text()) for name in ("first", "second"))
    for summary in (first, second):
        for stage in summary["stages"]:
            assert stage["computed"] == 0
            del stage["seconds"], stage["start"]
    assert first == second
    assert Path(first["report"]).is_file()
