"""Files of several people's folders: what the umask allows, whoever wrote them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from susx.children import child_environment
from susx.cli import main
from susx.demo.textures import render
from susx.modes import plain_mode, umask
from susx.store import ArtefactStore, Job
from susx.store.disk import whole_folder

JOB = Job("demo", 1, "d", "s")


@pytest.fixture(params=[0o022, 0o002, 0o077], ids=oct)
def mask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder):
    return {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}


def test_the_umask_is_read_without_being_set(mask):
    """It is what the process has now, not what it began with."""
    assert umask() == mask


def test_artefacts_and_exports_follow_the_umask(mask, tmp_path):
    """Tensor files, which safetensors leaves to their owner alone, are as readable as all others."""
    store = ArtefactStore(tmp_path / "store")
    with store.lock(JOB):
        work = store.workspace(JOB, resume=False)
        save_file({"a": torch.zeros(2)}, work / "a.safetensors")
        (work / "b.json").write_text("{}")
        ref = store.commit(JOB, seconds=0.0, counts={})
    assert modes(store.folder(ref)) == {0o666 & ~mask}
    with whole_folder(tmp_path / "out") as partial:
        save_file({"a": torch.zeros(2)}, partial / "a.safetensors")
    assert modes(tmp_path / "out") == {0o666 & ~mask}


def test_what_commands_write_follows_the_umask(tmp_path, monkeypatch):
    """Files and folders of each kind of output, and the store, of a group that shares them: 0664 and 0775, nothing for the owner alone."""
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o002)
    try:
        for name in ("dotted", "woven"):
            (tmp_path / "photos" / name).mkdir(parents=True)
            for number in range(4):
                Image.fromarray(render(name, "web", "train", number)).save(f"photos/{name}/{number}.png")
        (tmp_path / "names.txt").write_text("dotted\nwoven\n")
        lines = [
            "encode photos --out features", "index build index --images photos --tool susx", "evaluate --features features --out result",
            "label photos --classes names.txt --out labels --no-pool", "import-features --features features --out again",
            "datasets new d --from photos --out d.yaml",
        ]  # fmt: skip
        lines += [
            f"label export labels --format {form} --out {form}" for form in ("coco", "datasets", "webdataset")
        ]
        for line in lines:
            main(line.split())
    finally:
        os.umask(before)
    odd = {
        path.relative_to(tmp_path).as_posix(): oct(path.stat().st_mode & 0o777)
        for path in tmp_path.rglob("*")
        if not path.is_symlink() and path.stat().st_mode & 0o777 != (0o775 if path.is_dir() else 0o664)
    }
    assert not odd
    assert {path.name for path in tmp_path.iterdir()} >= {
        "features",
        "index",
        "result",
        "labels",
        "again",
        "coco",
        "webdataset",
    }


def test_a_file_of_somebody_else_stays(tmp_path):
    """One that is gone or cannot be changed is no error."""
    plain_mode(tmp_path / "gone")


def test_every_writer_of_tensors_gives_a_plain_mode():
    """Each module that writes safetensors sets the mode."""
    import pathlib

    import susx

    root = pathlib.Path(susx.__file__).parent
    for path in root.rglob("*.py"):
        text = path.read_text()
        if "save_file(" in text and path.parent.name not in {"testing", "labelling"}:
            assert "plain_mode(" in text, path


def test_a_user_without_a_home_gets_one(tmp_path):
    """No HOME and no entry in passwd: configuration is looked for below a folder of temporary files, and a sentence says so."""
    code = "import logging; logging.basicConfig(); from susx.home import ensure_home; ensure_home(); from susx.config import config_names; " \
        "import pathlib; print(pathlib.Path.home()); print(len(config_names('profiles')))"  # fmt: skip
    environment = {
        k: v for k, v in child_environment().items() if k in {"PATH", "PYTHONPATH", "PYTHONSAFEPATH"}
    }
    command = ["unshare", "-U", "--map-user=12345", "--map-group=12345", "env", "-i"]
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    done = subprocess.run(
        [*command, *(f"{k}={v}" for k, v in environment.items()), f"TMPDIR={tmp_path}", sys.executable, "-c", code],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    tmp_path.chmod(0o777)
    if done.returncode and "Permission denied" in done.stderr:
        pytest.skip("the namespace's user cannot write to the test's folder")
    assert done.returncode == 0, done.stderr
    home, profiles = done.stdout.split()
    assert "susx-home-" in home
    assert int(profiles) > 5
    assert "no home folder" in done.stderr
