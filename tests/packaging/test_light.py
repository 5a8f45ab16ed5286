"""The light installation: a fresh environment that holds what using a bundle takes, and nothing that building one takes."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from PIL import Image

from susx.store.disk import folder_size
from tests.classifier.conftest import bundle_folder, classifier_folder  # noqa: F401
from tests.packaging.test_wheel import BINARIES, built, inherited, picture, susx  # noqa: F401

NOT_THERE = ("torch", "torchvision", "open_clip", "transformers", "diffusers", "prefect", "pandas", "pyarrow", "scipy", "sklearn",
             "faiss", "numba", "safetensors", "onnx")  # fmt: skip
LARGEST = 375_000_000
"""Bytes of the environment: 0.05 of the 7.5 GB that building takes."""


@pytest.fixture(scope="module")
def light(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """Install the wheel with its dependencies, from the index that pip is set up with, into a fresh environment."""
    folder = tmp_path_factory.mktemp("light")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(folder / BINARIES / "python"),
        "install",
        "--quiet",
        "--retries",
        "1",
    ]
    done = subprocess.run(
        [*pip, "--no-compile", str(next(built.glob("*.whl")))],
        env=inherited(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and re.search(
        r"NewConnectionError|Temporary failure|No route|ReadTimeout|from versions: none", done.stderr
    ):
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, bundle_folder: Path) -> Path:  # noqa: F811
    """A folder outside the repository with a bundle and photographs."""
    place = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(bundle_folder, place / "bundle")
    (place / "photos").mkdir()
    (place / "photos" / "one.png").write_bytes(picture())
    stream = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(stream, "jpeg")
    (place / "photos" / "two.jpg").write_bytes(stream.getvalue())
    return place


def test_it_is_small_and_holds_nothing_heavy(light: Path) -> None:
    """Its size on the disk, and the modules that can be imported there."""
    assert folder_size(light) < LARGEST
    code = "import importlib.util, json, sys; print(json.dumps([n for n in sys.argv[1:] if importlib.util.find_spec(n)]))"
    done = subprocess.run(
        [light / BINARIES / "python", "-c", code, *NOT_THERE], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []


def test_it_predicts_and_serves(light: Path, folder: Path) -> None:
    """README's lines on a bundle: the same classes from the command and the service."""
    done = susx(light, folder, "predict", "--bundle", "bundle", "photos/")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(record["image"]).name for record in records] == ["one.png", "two.jpg"]
    assert records[0]["class_name"] == "dotted"
    command = [light / BINARIES / "susx", "serve", "--bundle", folder / "bundle", "--port", "0"]
    with subprocess.Popen(
        [str(word) for word in command], stderr=subprocess.PIPE, text=True, env=inherited()
    ) as process:
        assert process.stderr is not None
        url = next(
            (found[0] for line in process.stderr if (found := re.findall(r"http://[\d.]+:\d+", line))), None
        )
        assert url is not None
        answer = httpx.post(f"{url}/predict", content=picture(), trust_env=False, timeout=60)
        page = httpx.get(f"{url}/docs", trust_env=False, timeout=60)
        process.send_signal(signal.SIGTERM)
        assert "Traceback" not in process.stderr.read()
    assert answer.json()["class_name"] == "dotted"
    assert page.status_code == 200


def test_it_labels_a_folder(light: Path, folder: Path, tmp_path: Path) -> None:
    """The folder method on numpy: a table and a page; torch is nowhere in the process."""
    out = tmp_path / "labels"
    code = (
        "import atexit, sys; atexit.register(lambda: print('TORCH', 'torch' in sys.modules)); "
        "from susx.cli import main; main(sys.argv[1:])"
    )
    words = ["label", "photos/", "--bundle", "bundle", "--out", str(out)]
    done = subprocess.run(
        [light / BINARIES / "python", "-c", code, *words], cwd=folder, env=inherited(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "TORCH False" in done.stdout
    table = list(csv.DictReader((out / "labels.csv").open()))
    assert [row["path"] for row in table] == ["one.png", "two.jpg"]
    assert table[0]["label"] == "dotted"
    assert "data:image/jpeg" in (out / "report.html").read_text()


def test_uvx_runs_it_from_the_wheel(built: Path, light: Path, folder: Path, tmp_path: Path) -> None:  # noqa: F811
    """``uvx susx predict --bundle DIR photos/``: nothing is installed beforehand, and torch is not among what uv takes."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        pytest.skip("uv is not installed")
    wheel = next(built.glob("*.whl"))
    environment = inherited() | {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_NO_PROGRESS": "1"}
    command = [
        uv,
        "tool",
        "run",
        "--python",
        sys.executable,
        "--from",
        str(wheel),
        "susx",
        "predict",
        "--bundle",
        "bundle",
        "photos/",
    ]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode and re.search(r"error sending request|dns error|Failed to fetch", done.stderr):
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr[-2000:]
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(record["image"]).name for record in records] == ["one.png", "two.jpg"]
    assert records[0]["class_name"] == "dotted"
    assert "torch" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [["build", "--dataset", "textures"], ["build", "--help"], ["label", "photos"], ["label", "review", "x"], ["export", "--out", "x"],
     ["predict", "photos/", "--classifier", "bundle"], ["datasets", "list"], ["doctor"], ["push", "photos", "hf://a/b"]],
    ids=lambda words: " ".join(words[:2]),
)  # fmt: skip
def test_what_needs_more_says_so_in_one_line(light: Path, folder: Path, words: list[str]) -> None:
    """Which libraries, and how to get them; no traceback, and nothing half done."""
    before = sorted(folder.rglob("*"))
    done = susx(light, folder, *words)
    said = " ".join(done.stderr.split())
    assert done.returncode == 2
    assert "pip install 'susx[build]'" in said
    assert "Traceback" not in said
    assert sorted(folder.rglob("*")) == before


def test_help_and_version_need_nothing(light: Path, folder: Path) -> None:
    """All commands are listed; those for bundles say what they take."""
    listed = susx(light, folder, "--help")
    assert listed.returncode == 0, listed.stderr
    assert "build" in listed.stdout
    for command in ("predict", "serve", "push", "pull"):
        done = susx(light, folder, command, "--help")
        assert done.returncode == 0, done.stderr
    assert "--bundle" in susx(light, folder, "serve", "--help").stdout
    assert os.path.exists(light / BINARIES / "susx")
