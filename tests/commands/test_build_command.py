"""What `susx build` refuses, and how: one paragraph, exit code 2, nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from susx.cli import main


def refused(capsys, *arguments):
    """Run a command that must be refused; return what it said on standard error."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("susx:")
    assert "Traceback" not in said
    return said


def dataset(folder: Path, text: str | dict) -> str:
    path = folder / "mine.yaml"
    path.write_text(
        text if isinstance(text, str) else yaml.safe_dump(text, allow_unicode=True), encoding="utf-8"
    )
    return str(path)


def build(capsys, tmp_path, *arguments):
    said = refused(capsys, "build", "--store", str(tmp_path / "store"), *arguments)
    assert not (tmp_path / "store").exists()
    return said


def test_unknown_dataset(capsys, tmp_path):
    """An unknown data set is refused with the nearest name."""
    assert "Did you mean 'textures'?" in build(capsys, tmp_path, "--dataset", "texture")


def test_unknown_profile(capsys, tmp_path):
    """An unknown profile is refused with the nearest name."""
    assert "Did you mean 'demo'?" in build(capsys, tmp_path, "--dataset", "textures", "--profile", "dmo")


def test_unknown_mode(capsys, tmp_path):
    """An unknown mode is refused with the nearest name."""
    assert "Did you mean 'retrieve'?" in build(
        capsys, tmp_path, "--dataset", "textures", "--mode", "retreive"
    )


def test_unknown_prompts(capsys, tmp_path):
    """Unknown prompts are refused with the nearest name."""
    assert "Did you mean 'cupl'?" in build(capsys, tmp_path, "--dataset", "textures", "--prompts", "cpul")


def test_unknown_setting(capsys, tmp_path):
    """An unknown --set key is refused with the nearest one."""
    said = build(capsys, tmp_path, "--dataset", "textures", "--set", "retrieval.backnd=index")
    assert "unknown key 'retrieval.backnd'" in said
    assert "backend" in said
    assert "Did you mean 'backend'?" in said


@pytest.mark.parametrize("count", ["0", "-3"])
def test_per_class(capsys, tmp_path, count):
    """At least one image a class."""
    said = build(capsys, tmp_path, "--dataset", "textures", "--per-class", count)
    assert "per_class" in said
    assert "greater than 0" in said


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ([], "the list of classes is empty"),
        (["cat", " "], "class 1 has an empty name"),
        (["cat", "dog", "cat"], "class 'cat' is listed twice (positions 0 and 2)"),
        (["x" * 300], "300 characters"),
        (["a\x07b"], "control character"),
    ],
)
def test_class_names(capsys, tmp_path, classes, words):
    """Class lists that cannot be used are refused, and the class is named."""
    said = build(capsys, tmp_path, "--dataset", dataset(tmp_path, {"name": "mine", "classes": classes}))
    assert words in said


def test_unknown_key_with_line(capsys, tmp_path):
    """An unknown key of a YAML is named with its line and the nearest known key."""
    path = dataset(tmp_path, "name: mine\nclasses: [cat, dog]\n\nphoto_promt: '{}'\n")
    said = build(capsys, tmp_path, "--dataset", path)
    assert f"{path}, line 4: unknown key 'photo_promt'. Did you mean 'photo_prompt'?" in said


def test_not_yaml(capsys, tmp_path):
    """A file that is no YAML is refused."""
    assert "not valid YAML" in build(capsys, tmp_path, "--dataset", dataset(tmp_path, "name: [\n"))


def test_missing_file(capsys, tmp_path):
    """A path that is not there is refused."""
    assert "There is no file" in build(capsys, tmp_path, "--dataset", str(tmp_path / "none.yaml"))


def test_missing_weights(capsys, tmp_path):
    """A checkpoint that is not there is one paragraph that names model and path."""
    said = build(
        capsys,
        tmp_path,
        "--dataset",
        "textures",
        "--set",
        "encoder.model=ViT-B-32",
        "--set",
        "encoder.pretrained=/no/w.pt",
    )
    assert "ViT-B-32" in said
    assert "/no/w.pt" in said


def test_index_of_another_encoder(capsys, tmp_path):
    """An index that another encoder built is refused before anything is done, and both encoders are named."""
    index = tmp_path / "index"
    index.mkdir()
    facts = {
        "encoder": "ViT-B-32",
        "digest": "0" * 64,
        "dim": 512,
        "rows": 1,
        "rejected": {},
        "content": "c",
        "source": "images",
    }
    (index / "susx_index.json").write_text(json.dumps(facts))
    said = build(
        capsys,
        tmp_path,
        "--dataset",
        "textures",
        "--set",
        "retrieval.backend=index",
        "--set",
        f"retrieval.folder={index}",
    )
    assert "'ViT-B-32'" in said
    assert "susx-tiny-clip" in said


def test_backend_without_its_setting(capsys, tmp_path):
    """A backend that lacks its address says which setting to give."""
    assert "retrieval.url" in build(
        capsys, tmp_path, "--dataset", "textures", "--set", "retrieval.backend=service"
    )


def test_read_only_store(tmp_path):
    """A store that cannot be written is refused before anything runs."""
    store = tmp_path / "store"
    store.mkdir()
    if os.geteuid() == 0:
        # Root may write anywhere but to a read-only mount.
        if subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(store)], capture_output=True
        ).returncode:
            pytest.skip("needs the right to mount a read-only file system")
    else:
        store.chmod(0o500)
    try:
        with pytest.raises(SystemExit) as ended:
            main(["build", "--dataset", "textures", "--store", str(store)])
        assert ended.value.code == 2
        assert list(store.iterdir()) == []
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", str(store)], check=True)


def test_dry_run_writes_nothing(capsys, tmp_path):
    """A dry run lists every stage as missing and touches nothing."""
    main(["build", "--dataset", "textures", "--store", str(tmp_path / "store"), "--dry-run"])
    said = capsys.readouterr().out
    assert "missing" in said
    assert "encode-texts" in said
    assert not (tmp_path / "store").exists()


def test_odd_class_names(tmp_path):
    """Slashes, quotes, emoji and look-alikes of paths are ordinary class names, and name no file."""
    from susx.pipeline.executors import InlineExecutor
    from susx.pipeline.graph import build as walk
    from susx.pipeline.plan import BuildOptions, plan_build
    from susx.store import ArtefactStore

    names = ["a/c unit", 'the "grid"', "it's", "Ünïcode 🧶", "../../etc", "CON", "{braces}", "x" * 200]
    path = dataset(tmp_path, {"name": "odd", "classes": names})
    options = BuildOptions(
        path, store=str(tmp_path / "store"), per_class=1,
        settings=("retrieval.pool_size=60", "methods={tip_x: {}}", "tuning=[fixed]", "headline=tip_x"),
    )  # fmt: skip
    executor = InlineExecutor(ArtefactStore(options.store))
    result = walk(plan_build(options), executor)
    assert set(result.images) == {f"fetch/{name}" for name in names}
    files = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")]
    assert not [name for name in files if "etc" in name.split("/") or "CON" in name.split("/")]
    rows = executor.store.path(result.support, "support.parquet")
    assert rows.is_file()


def test_names_that_the_toys_do_not_know_are_said(tmp_path, capsys):
    """Before anything is built: cats and dogs are no textures; close words of textures are known."""
    from susx.demo.unknown import unknown_names

    assert unknown_names(["cat", "dog", "polka dots", "Knitted wool", "spider web"]) == ["cat", "dog"]
    file = dataset(
        tmp_path, {"name": "pets", "photo_prompt": "A photo of a {}.", "classes": ["cat", "dog", "striped"]}
    )
    main(["build", "--dataset", file, "--store", str(tmp_path / "store"), "--dry-run"])
    said = " ".join(capsys.readouterr().out.split())
    assert "not cat, dog: answers for these 2 names will mean nothing" in said
    assert "--profile clip-vit-b16" in said
