"""Bundles on a Hub: there and back by the commands, and what is no bundle is left to the classifiers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from susx.bundle import load_bundle
from susx.bundle.bundle_hub import pull_bundle, push_bundle
from susx.cli import main
from susx.errors import DamagedArtefact, InputError, StoreError
from tests.classifier.conftest import bundle_folder, classifier_folder  # noqa: F401

ADDRESS = "hf://someone/textures"


def test_there_and_back(hub, bundle_folder, tmp_path, capsys):  # noqa: F811
    """Pushed with a card, loaded by its address, fetched whole; a second time to the same place is refused."""
    main(["push", str(bundle_folder), ADDRESS, "--license", "mit"])
    pinned = capsys.readouterr().out.split()[-1]
    assert hub.repositories["model", "someone/textures"].private
    assert load_bundle(pinned).about == load_bundle(bundle_folder).about
    main(["pull", ADDRESS, "--out", str(tmp_path / "out")])
    assert load_bundle(tmp_path / "out").class_names == load_bundle(bundle_folder).class_names
    card = ModelCard((tmp_path / "out" / "README.md").read_text())
    assert card.data.license == "mit"
    assert "susx predict --bundle hf://someone/textures" in card.text
    assert "smallest cosine" in card.text
    with pytest.raises(StoreError, match="exists"):
        pull_bundle(ADDRESS, tmp_path / "out")


def test_what_is_no_whole_bundle_is_refused(hub, bundle_folder, tmp_path):  # noqa: F811
    """An altered file; a repository of something else; a licence that nobody said."""
    files = {path.name: path.read_bytes() for path in Path(bundle_folder).iterdir()}
    hub.add("model", "someone/textures", {**files, "head.onnx": files["head.onnx"][:-9], "a.pkl": b"x"})
    with pytest.raises(DamagedArtefact, match=r"head\.onnx"):
        pull_bundle(ADDRESS, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not any("pkl" in asked for asked in hub.requests)
    hub.add("model", "someone/pets", {"classifier.json": json.dumps({}).encode()})
    assert pull_bundle("hf://someone/pets", tmp_path / "out") is None
    with pytest.raises(InputError, match="licence"):
        push_bundle(bundle_folder, ADDRESS)
