"""Classifiers on a Hub: there and back, and one paragraph for each way it cannot be had."""

from __future__ import annotations

import pytest
import torch
from huggingface_hub import ModelCard

from susx.classifier import ClassifierFacts, load_classifier, read_classifier, save_classifier
from susx.classifier.classifier_hub import pull_classifier, push_classifier
from susx.encoder_id import EncoderId
from susx.errors import ConfigError, DamagedArtefact, InputError, ServerError
from susx.hub import Accuracy, HubAddress, choose_licence
from susx.methods import METHODS, Evidence
from susx.methods.state import Fitted
from susx.records import SupportRow

NAMES = ("cat", "a|b <script>", "eel")
ADDRESS = "hf://someone/pets"


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    unit = torch.nn.functional.normalize(torch.randn(7, 8))
    labels = torch.tensor([0, 0, 1, 2])
    fitted = Fitted.of(METHODS["tip_x"](), Evidence(unit[:3], 100.0, unit[3:], labels))
    rows = [
        SupportRow(NAMES[i], f"{i}.jpg", "", "retrieved", "a | prompt", licence="CC BY 4.0")
        for i in labels.tolist()
    ]
    facts = ClassifierFacts(NAMES, EncoderId("susx-tiny", "d" * 64), dataset="pets", toy=True)
    return save_classifier(
        tmp_path / "c" / "classifier", facts, fitted, support_features=unit[3:], support_rows=rows
    )


def test_there_and_back(hub, folder, tmp_path):
    """What is loaded from a pushed commit is what was pushed; the card has licence, names and intervals."""
    pinned = push_classifier(folder, ADDRESS, accuracies=[Accuracy("tip_x", "fixed", 0.5, 0.4, 0.6, 90)])
    assert hub.repositories["model", "someone/pets"].private
    assert load_classifier(str(pinned)).facts == read_classifier(folder).facts
    assert load_classifier(ADDRESS).class_names == NAMES
    assert pull_classifier(ADDRESS, tmp_path / "out") == pinned
    card = ModelCard((tmp_path / "out" / "README.md").read_text())
    assert card.data.license == "cc-by-4.0"
    assert card.data.eval_results[0].metric_args["low"] == 0.4
    assert "<script>" not in card.text
    assert "--format bundle" in card.text


def test_a_pin_stays_and_stale_files_go(hub, folder):
    """A second push replaces the first whole; the first commit is still what it was."""
    first = push_classifier(folder, ADDRESS)
    stored = read_classifier(folder)
    bare = save_classifier(folder.parent / "bare", stored.facts, stored.fitted)
    second = push_classifier(bare, ADDRESS, licence="mit")
    assert load_classifier(str(first)).stored.support is not None
    assert load_classifier(str(second)).stored.support is None


def test_without_the_network_the_last_copy_is_taken(hub, folder, monkeypatch, caplog):
    """What was loaded once is loaded again without the Hub, and something new is one paragraph."""
    push_classifier(folder, ADDRESS)
    load_classifier(ADDRESS)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert load_classifier(ADDRESS).class_names == NAMES
    assert "copy of last time" in caplog.text
    with pytest.raises(ServerError, match="cannot be reached"):
        load_classifier("hf://someone/other")


def test_refusals(hub, folder, monkeypatch, tmp_path):
    """Unknown, unknown revision, gated, something else, no token: each says what to do and leaves nothing."""
    out = tmp_path / "out"
    hub.add("model", "someone/gated", {"classifier.json": b"{}"}, gated=True)
    hub.add("model", "someone/bert", {"model.bin": b"x"})
    hub.add("model", "someone/huge", {"classifier.json": b"{}"}, sizes={"classifier.json": 10**14})
    for name, said in (
        ("nothing", "no such model"), ("gated", "gated"), ("bert", "no classifier"), ("huge", "GB"),
        ("bert@v9", "no revision"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            pull_classifier(f"hf://someone/{name}", out)
    with pytest.raises(InputError, match="something else"):
        push_classifier(folder, "hf://someone/bert")
    hub.fail_commits = True
    with pytest.raises(ServerError, match="500"):
        push_classifier(folder, ADDRESS)
    hub.fail_commits, hub.card_errors = False, ['"license" must be one of afl-3.0, mit']
    with pytest.raises(InputError, match='"license" must be one of'):
        push_classifier(folder, ADDRESS, licence="no-such-licence")
    assert not any(files for _, files in hub.repositories["model", "someone/pets"].commits)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(InputError, match="no token"):
        push_classifier(folder, ADDRESS)
    assert not out.exists()
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


def test_an_altered_classifier_is_refused(hub, folder, tmp_path):
    """A file of the Hub is no more trusted than one of a folder, and names that lead elsewhere are never asked for."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    files["support.jsonl"] += b"\n"
    hub.add("model", "someone/pets", {**files, "../../evil": b"x", "a.pkl": b"x"})
    with pytest.raises(DamagedArtefact):
        pull_classifier(ADDRESS, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not any("evil" in asked or "pkl" in asked for asked in hub.requests)


@pytest.mark.parametrize(
    "text",
    ["hf://a", "hf://a/b/c", "hf://../b", "hf://a/b@../x", "hf://a/\0b", "a/b", "hf:///a/b", "hf://a/b@"],
)
def test_no_address(text):
    """What is no address is refused as one."""
    with pytest.raises(ConfigError, match="no address"):
        HubAddress.parse(text)


def test_a_licence_is_asked_for(folder, hub):
    """Images without a licence need one to be said; a wrong one is told."""
    rows = [SupportRow("cat", "", "", "retrieved", "p")]
    with pytest.raises(InputError, match="needs a licence"):
        choose_licence(None, rows)
    with pytest.raises(ConfigError, match=r"apache-2\.0"):
        choose_licence("Apache 2.0", rows)
    with pytest.raises(ConfigError, match="a classifier is hf"):
        push_classifier(folder, "hf://datasets/a/b")
    assert not hub.repositories
