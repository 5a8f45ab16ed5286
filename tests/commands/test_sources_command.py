"""``susx sources``: what can be reached, what is not set up, how many requests are left; nothing that counts is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from susx.cli import main
from susx.images.retrieve.backends import BACKENDS
from susx.testing.http_openverse import OpenverseServer
from susx.testing.http_server import LoopbackServer, QuietHandler


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, str]]:
    capsys.readouterr()
    main(["sources", "--json", *arguments])
    return {row["source"]: row for row in json.loads(capsys.readouterr().out)}


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
