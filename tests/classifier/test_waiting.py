"""Who waits for a service to start or a bundle to be written reads in a pipe what is being done."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from susx import activity
from susx.children import child_environment
from susx.cli import main


def test_the_start_of_a_service_is_told(classifier_folder: Path) -> None:
    """Until it answers, line by line; from then on nothing."""
    code = "import sys; from susx import activity; activity.FIRST_SECONDS = activity.EVERY_SECONDS = 0.05\n" \
        "from susx.cli import main; main(sys.argv[1:])"  # fmt: skip
    command = [sys.executable, "-c", code, "serve", "--classifier", str(classifier_folder), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=child_environment()) as process:
        assert process.stderr is not None
        before = []
        for line in process.stderr:
            if "http://" in line:
                break
            before.append(line)
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
    told = [line for line in before if line.startswith("susx serve: ") and line.rstrip().endswith(" s")]
    assert any("load the encoder" in line for line in told), before


def test_the_export_of_a_bundle_is_told(
    classifier_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Which of its steps it is at."""
    monkeypatch.setattr(activity, "FIRST_SECONDS", 0.02)
    monkeypatch.setattr(activity, "EVERY_SECONDS", 0.02)
    main(
        ["export", "--classifier", str(classifier_folder), "--format", "bundle", "--out", str(tmp_path / "b")]
    )
    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("susx export: ")]
    for step in ("export the graphs", "compare the graphs with the encoder"):
        assert any(step in line for line in told), told
