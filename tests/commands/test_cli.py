"""The command line as a whole: help without heavy imports, words in place of tracebacks, exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from susx.cli import COMMANDS, main


def test_help_lists_every_command(capsys, monkeypatch):
    """`susx --help` names every command with its sentence."""
    monkeypatch.setattr(sys, "argv", ["susx", "--help"])
    main(["--help"])
    said = capsys.readouterr().out
    assert [name for name in COMMANDS if name not in said] == []


def test_help_is_light():
    """`susx --help` imports neither torch nor Prefect."""
    code = "import sys; sys.argv = ['susx', '--help']\nfrom susx.cli import main\nmain()\n"
    code += "print([m for m in ('torch', 'prefect', 'open_clip') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    """Every command can be imported and explains itself."""
    main([name, "--help"])
    assert "--help" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["buidl"], "No such command 'buidl'"),
        (["build"], "A build needs --dataset"),
        (["build", "--dataset", "dtd", "--per-class", "many"], "--per-class"),
        (["build", "--dataset", "dtd", "--colour"], "--colour"),
    ],
)
def test_usage_errors(arguments, words, capsys):
    """A wrong command line is one sentence and exit code 2, never a traceback."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    said = " ".join(capsys.readouterr().err.split())
    assert words in said
    assert "Traceback" not in said


def test_missing_store(capsys, tmp_path):
    """A store that is not there is a refusal."""
    with pytest.raises(SystemExit) as ended:
        main(["store", "ls", "--store", str(tmp_path / "none")])
    assert ended.value.code == 2
    assert "There is no store" in " ".join(capsys.readouterr().err.split())


def test_exit_code_of_findings(capsys, tmp_path):
    """`susx store verify` on a damaged store ends with exit code 1."""
    from susx.pipeline.stage import Stage, execute
    from susx.store import ArtefactStore, Job

    def run(job, store, out):
        (out / "a").write_text("a")
        return {}

    store = ArtefactStore(tmp_path)
    ref = execute(Stage("fake", 1, run, "Fake"), Job("fake", 1, "data", "cat"), store).ref
    main(["store", "verify", "--store", str(tmp_path)])
    store.path(ref, "a").write_text("b")
    with pytest.raises(SystemExit) as ended:
        main(["store", "verify", "--store", str(tmp_path)])
    assert ended.value.code == 1
    assert "was altered" in capsys.readouterr().out
