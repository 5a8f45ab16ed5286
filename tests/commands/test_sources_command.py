"""``susx sources``: what can be reached, what is not set up, how many requests are left; nothing that counts is asked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from susx.cli import main
from susx.images.retrieve.backends import BACKENDS
from susx.images.retrieve.backends.public_source import PublicSourceSettings
from susx.testing.http_openverse import OpenverseServer
from susx.testing.http_server import LoopbackServer, QuietHandler

ROOT = Path(__file__).parents[2]


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, str]]:
    capsys.readouterr()
    main(["sources", "--json", *arguments])
    return {row["source"]: row for row in json.loads(capsys.readouterr().out)}


@pytest.fixture
def unused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who has no key and has asked nothing today."""
    monkeypatch.setenv("SUSX_CACHE", str(tmp_path))
    for name in ("SUSX_OPENVERSE_TOKEN", "SUSX_OPENVERSE_ID", "SUSX_OPENVERSE_SECRET", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("unused")
def test_readme_shows_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    main(["sources", "--no-ask"])
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"```text\n{capsys.readouterr().out}```\n" in readme


@pytest.mark.usefixtures("unused")
def test_the_page_names_every_source_with_its_limits() -> None:
    """Its table has a line for each source that takes names and needs nothing made by susx, with the numbers that are kept."""
    page = (ROOT / "docs" / "how-to" / "sources.md").read_text(encoding="utf-8")
    lines = {match[1]: match[0] for match in re.finditer(r"^\| `(\w+)` \|.*$", page, re.M)}
    public = {name: kind() for name, kind in BACKENDS.items() if issubclass(kind, PublicSourceSettings)}
    assert set(lines) == {*public, "lance", "parquet"}
    for name, settings in public.items():
        for limit in settings.limits():
            assert re.search(rf"(?<!\d){limit.requests:,}(?!\d)", lines[name]), (name, limit)
        assert "not live" in lines[name]


def test_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SUSX_CACHE", str(tmp_path))
    monkeypatch.delenv("SUSX_OPENVERSE_TOKEN", raising=False)
    with LoopbackServer(QuietHandler) as gone:
        closed = f"http://{gone.host}/v1/"
    monkeypatch.setenv("HF_ENDPOINT", closed)
    with OpenverseServer() as server:
        places = [
            f"--set=openverse.address={server.address}", f"--set=gbif.address={closed}", f"--set=inaturalist.address={closed}",
            f"--set=parquet.data={tmp_path / 'lost.parquet'}",
        ]  # fmt: skip
        rows = listed(capsys, *places)
        assert set(rows) == {name for name, kind in BACKENDS.items() if kind.about}
        assert rows["openverse"]["reachable"] == "yes"
        assert rows["openverse"]["requests left"] == "200 of 200 in a day"
        assert rows["gbif"]["reachable"] == "no: it refuses the connection"
        assert "laion-1m/data/train.lance (retrieval.data) cannot be reached" in rows["lance"]["reachable"]
        assert rows["viewer"]["reachable"] == "not set up"
        assert "which is not there" in rows["parquet"]["reachable"]
        main(["sources", *places])
        shown = capsys.readouterr().out
        assert any(line.split()[:2] == ["openverse", "yes"] for line in shown.splitlines())
        assert "gbif: no: it refuses the connection" in shown
        assert listed(capsys, "--no-ask")["openverse"]["reachable"] == "not asked"
        monkeypatch.setenv("SUSX_OPENVERSE_TOKEN", "not-to-be-seen")
        main(["sources", *places])
        assert "10,000 of 10,000 in a day" in (said := capsys.readouterr().out)
        assert "not-to-be-seen" not in said
        with pytest.raises(SystemExit):
            main(["sources", "--set", "openvers.address=x"])
        assert "source.key=value" in " ".join(capsys.readouterr().err.split())
