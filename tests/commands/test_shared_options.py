"""The options of a build are declared once: every door shows them, and they survive a command line."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import shlex
import subprocess
import sys

from susx.cli import main
from susx.commands.build import build
from susx.commands.status import status
from susx.pipeline.options import BuildOptions
from susx.testing.world import new_world

NAMES = {field.name for field in dataclasses.fields(BuildOptions)}


def test_every_door_takes_every_option():
    """The command, `status`, the flow and the sweep (which takes three of them in lists)."""
    from susx.flows.build import build_flow
    from susx.flows.sweep import sweep_flow

    for door, without in (
        (build, ()),
        (status, ()),
        (build_flow.fn, ()),
        (sweep_flow.fn, ("dataset", "mode", "profile")),
    ):
        assert set(inspect.signature(door).parameters) >= NAMES - set(without), door
    form = build_flow.parameters.properties
    assert form["mode"]["enum"][:2] == ["retrieve", "generate"]
    assert all(field.get("description") for field in form.values())


def test_a_command_line_asks_for_the_same(tmp_path, monkeypatch):
    """What a report prints as its command is parsed to the options it was made with."""
    import susx.commands.build as command

    asked = BuildOptions(
        "textures",
        "generate",
        "demo",
        prompts="photo",
        per_class=3,
        store=str(tmp_path),
        data_root=str(tmp_path),
        seed=7,
        settings=("per_class=2", "a.b=[1, 2]"),
    )
    parsed = []
    monkeypatch.setattr(command, "say_what_is_stale", lambda options, file: parsed.append(options))
    monkeypatch.delenv("SUSX_STORE", raising=False)
    main(["build", *shlex.split(asked.command())[3:], "--dry-run"])
    unmeasured = dataclasses.replace(asked, data_root=None, evaluate=False)
    for options in (BuildOptions("dtd"), dataclasses.replace(unmeasured, data_root="from the environment")):
        main(["build", *shlex.split(options.command())[3:], "--dry-run"])
    assert parsed == [asked, BuildOptions("dtd"), unmeasured]


def test_json_and_width(tmp_path):
    """`--json -` gives standard output to JSON alone; a table in a file shows whole names."""
    words = ["status", "--dataset", "textures", "--store", str(tmp_path)]
    code = "import sys; from susx.cli import main; main(sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", code, *words, "--json", "-"], capture_output=True, text=True)
    planned = json.loads(done.stdout)
    assert {entry["state"] for entry in planned} == {"missing"}
    assert {"stage", "subject", "state", "reasons"} == set(planned[0])
    assert "What a build would do" in done.stderr
    main([*words, "--json", str(tmp_path / "plan.json")])
    assert json.loads((tmp_path / "plan.json").read_text()) == planned
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) > 80


def test_version_and_profiles(capsys):
    """`susx --version` and `susx profiles list` answer."""
    main(["--version"])
    main(["profiles", "list"])
    said = capsys.readouterr().out
    assert said.startswith("susx ")
    for name in ("demo", "clip-rn50-paper"):
        assert name in said


def test_lists_are_given_to_programs_too(tmp_path, capsys):
    """Profiles with all their settings; artefacts one by one, of one stage where it is named."""
    main(["profiles", "list", "--json"])
    profiles = {profile["name"]: profile for profile in json.loads(capsys.readouterr().out)}
    assert profiles["siglip2-b16"]["encoder"]["model"] == "ViT-B-16-SigLIP2"
    world = new_world(tmp_path)
    world.build()
    main(["store", "ls", "--store", world.options.store, "--json", "--stage", "encode-texts"])
    entries = json.loads(capsys.readouterr().out)
    assert sorted(entry["subject"] for entry in entries) == sorted(world.description["classes"])
    assert all(entry["stage"] == "encode-texts" and entry["size"] > 0 for entry in entries)
