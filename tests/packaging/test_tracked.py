"""Of a checkout only what git tracks is packed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_yaml_of_ones_own_in_the_checkout_is_not_packed(tmp_path: Path) -> None:
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("susx/__init__.py", "configs/datasets/shipped.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    (tmp_path / "configs" / "datasets" / "mine.yaml").write_text("")
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", "built"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert [path.name for path in (tmp_path / "built").rglob("*.yaml")] == ["shipped.yaml"]
    shutil.rmtree(tmp_path / ".git")
    shutil.rmtree(tmp_path / "built")
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert sorted(path.name for path in (tmp_path / "built").rglob("*.yaml")) == ["mine.yaml", "shipped.yaml"]
