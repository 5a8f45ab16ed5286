"""The package as it is installed: built from a copy, put into an environment of its own, used in an empty folder."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from susx.demo.textures import render
from tests.flows.conftest import free_port, process, wait_for

ROOT = Path(__file__).parents[2]
PACKED = ("susx", "configs", "benchmarks", "flows", "pyproject.toml", "setup.py", "README.md", "LICENSE")
RETRIEVAL = ("clip_retrieval", "img2dataset", "autofaiss", "all_clip")
"""Not there without the extra: what is built, predicted and reported here needs none of them."""
BINARIES = "Scripts" if os.name == "nt" else "bin"


def shipped_files() -> set[str]:
    """Return what must be in the wheel: every file of susx/, and configs/ as susx/configs/."""
    files = [path for name in ("susx", "configs") for path in (ROOT / name).rglob("*") if path.is_file()]
    names = [path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts]
    return {f"susx/{name}" if name.startswith("configs/") else name for name in names}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build sdist, and the wheel from the sdist, beside folders that must not be packed."""
    copy = tmp_path_factory.mktemp("copy")
    for name in PACKED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy)
    for stray in ("susx-store", "susx_store", "susxtra"):
        (copy / stray).mkdir()
        (copy / stray / "__init__.py").write_text("")
        (copy / stray / "artefact.json").write_text("{}")
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return out


def test_the_wheel_holds_the_package_and_its_data_and_nothing_else(built: Path) -> None:
    """Every file of susx/ and configs/ is in the wheel; folders beside them, benchmarks and training are not."""
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == shipped_files()


def test_the_sdist_is_enough_to_build_from(built: Path) -> None:
    """The source distribution holds configs/ and setup.py (the wheel was built from it), and no stray folder."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        tops = {name.split("/")[1] for name in sdist.getnames() if "/" in name}
    assert {"susx", "configs", "setup.py", "pyproject.toml", "README.md", "LICENSE"} <= tops
    assert not {name for name in tops if name.startswith("susx") and name not in {"susx", "susx.egg-info"}}


@pytest.fixture(scope="module")
def environment(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a fresh environment that sees this one's libraries, without its editable susx."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / BINARIES / "python"
    # Before the libraries are to be seen: pip would find this environment's susx there, and uninstall it.
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*pip, str(next(built.glob("*.whl")))], check=True, env=inherited())
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.run(
        [python, "-c", where], capture_output=True, text=True, check=True
    ).stdout.strip()
    libraries = folder / "libraries"
    libraries.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if path.name not in RETRIEVAL and "susx" not in path.name:
            (libraries / path.name).symlink_to(path)
    (Path(packages) / "libraries.pth").write_text(f"{libraries}\n")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty folder outside the repository."""
    return tmp_path_factory.mktemp("elsewhere")


def inherited() -> dict[str, str]:
    """Return this process's variables without those that lead to the checkout."""
    return {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "SUSX_CONFIGS", "VIRTUAL_ENV"}}


def susx(
    environment: Path, folder: Path, *arguments: str, program: str = "susx"
) -> subprocess.CompletedProcess[str]:
    """Run the installed command in ``folder``, with a home of its own and no trace of the checkout."""
    home = folder.parent / f"{folder.name}-home"
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [environment / BINARIES / program, *arguments],
        cwd=folder,
        env=inherited() | {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "settings"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_what_is_shipped_is_listed(environment: Path, folder: Path) -> None:
    """The shipped data sets and profiles are found, in the environment and not in the checkout."""
    datasets = json.loads(susx(environment, folder, "datasets", "list", "--json").stdout)
    assert {row["name"] for row in datasets} == {path.stem for path in (ROOT / "configs/datasets").glob("*")}
    assert all(environment in Path(row["file"]).parents for row in datasets)
    profiles = susx(environment, folder, "profiles", "list").stdout
    assert [path.stem for path in (ROOT / "configs/profiles").glob("*") if path.stem not in profiles] == []
    assert "sentences     None" not in susx(environment, folder, "datasets", "info", "textures").stdout


def test_an_unknown_name_says_where_was_looked(environment: Path, folder: Path) -> None:
    """A data set that is unknown in this folder costs one paragraph that names the three places."""
    done = susx(environment, folder, "build", "--dataset", "texture")
    said = " ".join(done.stderr.split())
    assert done.returncode == 2
    assert "Did you mean 'textures'?" in said
    for place in (
        folder / "configs/datasets",
        folder.parent / f"{folder.name}-home/settings/susx/datasets",
        environment,
    ):
        assert str(place) in said


def test_build_predict_and_report_in_an_empty_folder(environment: Path, folder: Path) -> None:
    """A data set and a profile of one's own, from ./configs and from the platform's folder, build and predict."""
    own = folder / "configs/datasets"
    own.mkdir(parents=True)
    (own / "few.yaml").write_text(
        "name: few\ntitle: Three textures\nphoto_prompt: '{} texture.'\n"
        "reader: {kind: demo, options: {val: 4, test: 8}}\nclasses: [banded, dotted, cracked]\n"
    )
    platform = folder.parent / f"{folder.name}-home/settings/susx/profiles"
    platform.mkdir(parents=True)
    demo = (ROOT / "configs/profiles/demo.yaml").read_text()
    (platform / "small.yaml").write_text(
        demo.replace("name: demo", "name: small").replace("pool_size: 8000", "pool_size: 200")
    )
    arguments = ("--dataset", "few", "--profile", "small", "--mode", "retrieve", "--per-class", "4")
    done = susx(environment, folder, "build", *arguments)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-3000:]
    (run,) = (path for path in (folder / "susx-store/runs").iterdir() if (path / "classifier").is_dir())
    (folder / "picture.png").write_bytes(picture())
    classified = susx(environment, folder, "predict", "picture.png", "--classifier", str(run / "classifier"))
    assert classified.returncode == 0, classified.stderr
    assert {"banded", "dotted", "cracked"} == {
        item["class_name"] for item in json.loads(classified.stdout.splitlines()[0])["top"]
    }
    table = susx(environment, folder, "report", "table", str(run))
    assert table.returncode == 0, table.stderr
    assert "tip_x" in table.stdout
    answer = served(environment, folder, run / "classifier")
    assert answer["class_name"] in {"banded", "dotted", "cracked"}
    assert "answers mean nothing" in answer["warning"]


def served(environment: Path, folder: Path, classifier: Path) -> dict[str, Any]:
    """Return what the installed service answers for the picture."""
    port = free_port()
    command = [environment / BINARIES / "susx", "serve", "--classifier", classifier, "--port", str(port)]
    url, log = f"http://127.0.0.1:{port}", folder / "serve.log"
    with process([str(word) for word in command], inherited(), log) as service:

        def healthy() -> bool:
            assert service.poll() is None, log.read_text()
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(url + "/healthz").is_success
            return False

        wait_for(healthy, 200, "the service did not start")
        answer = httpx.post(url + "/predict", content=picture())
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.parametrize("package", ["autofaiss", "clip_retrieval", "img2dataset"])
def test_what_needs_the_extra_names_it(environment: Path, folder: Path, package: str) -> None:
    """Indexing, a service's client and downloads say which extra to install, before anything is written."""
    (folder / "photos").mkdir(exist_ok=True)
    (folder / "photos/one.png").write_bytes(picture())
    if package == "autofaiss":
        done = susx(environment, folder, "index", "build", "index", "--images", "photos")
        assert not (folder / "index").exists()
    else:
        call = {
            "clip_retrieval": "from susx.images.retrieve.backends.clip_client import timed_client as f; f()",
            "img2dataset": "from susx.images.retrieve.download import download as f; from pathlib import Path;"
            "from susx.config import DownloadConfig as C; f(['http://127.0.0.1:9/a.png'], Path('work'), C())",
        }[package]
        done = susx(environment, folder, "-c", call, program="python")
    assert done.returncode
    said = " ".join(done.stderr.split())
    assert package.replace("_", "-") in said
    assert "susx[retrieval]" in said


def picture() -> bytes:
    """Return one dotted texture as PNG."""
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(render("dotted", "camera", "test", 0)).save(stream, "PNG")
    return stream.getvalue()
