"""``susx doctor``: each finding, in the environment that causes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from susx.cli import main
from susx.commands.doctor import Finding, findings
from susx.store.user_cache import SHARED
from tests.flows.conftest import free_port


def found(what: str, store: Path, profile: str = "demo") -> Finding:
    return next(finding for finding in findings(str(store), profile) if finding.what == what)


def installed(site: Path, name: str, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a distribution of this name and version the first on the path."""
    facts = site / f"{name.replace('-', '_')}-{version}.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(str(site))


def test_this_environment_is_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Set up from the lock nothing is bad, and the command says so."""
    assert [f for f in findings(str(tmp_path / "store"), "demo") if f.state == "bad"] == []
    main(["doctor", "--store", str(tmp_path / "store")])
    assert "Ready." in capsys.readouterr().out


def test_the_backport_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution `dataclasses` shadows the standard library; the finding says what to uninstall."""
    assert found("dataclasses backport", tmp_path).state == "ok"
    installed(tmp_path / "site", "dataclasses", "0.6", monkeypatch)
    finding = found("dataclasses backport", tmp_path)
    assert (finding.state, finding.todo) == ("bad", "pip uninstall dataclasses")
    assert "0.6" in finding.detail


def test_a_fastapi_that_prefect_cannot_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect's own requirement decides, and is what to install."""
    installed(tmp_path / "site", "fastapi", "99.0", monkeypatch)
    finding = found("fastapi for Prefect", tmp_path)
    assert finding.state == "bad"
    assert "pip install 'fastapi" in finding.todo


def test_a_store_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file where the store should be: named, and the command exits with 1."""
    (tmp_path / "store").write_text("a file")
    finding = found("store", tmp_path / "store")
    assert (finding.state, finding.todo) == ("bad", "Give another folder with --store.")
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--store", str(tmp_path / "store")])
    assert ended.value.code == 1
    assert "must be mended" in capsys.readouterr().out


def test_a_server_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is named."""
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{free_port()}/api")
    finding = found("Prefect API", tmp_path)
    assert finding.state == "bad"
    assert "does not answer" in finding.detail


def test_weights_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile whose checkpoint is missing, and a profile that is not there, are findings and no traceback."""
    profiles = tmp_path / "configs" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "mine.yaml").write_text(
        "name: mine\nencoder: {model: ViT-B-32, pretrained: /no/such/weights.pt}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert found("weights of 'mine'", tmp_path, "mine").state == "bad"
    assert found("weights of 'absent'", tmp_path, "absent").state == "bad"
    assert found("weights of 'demo'", tmp_path).state == "ok"


def test_what_stores_share_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it lies and how large it is; switched off or in no place that can be written: what that means."""
    what = "what stores share"
    monkeypatch.setenv(SHARED, str(tmp_path / "shared"))
    finding = found(what, tmp_path)
    assert (finding.state, finding.detail) == ("ok", f"{tmp_path / 'shared'}, 0 artefacts, 0 B")
    (tmp_path / "file").write_text("no folder")
    for value, said in (
        ("off", "SUSX_SHARED_STORE is off"),
        (str(tmp_path / "file" / "shared"), str(tmp_path)),
    ):
        monkeypatch.setenv(SHARED, value)
        finding = found(what, tmp_path)
        assert finding.state == "note"
        assert said in finding.detail
        assert "drawn once a store" in finding.todo
