"""Support sets on the Hub: a Hub on loopback, the real client, real pictures."""

from __future__ import annotations

import json

import pytest
import yaml
from typer.testing import CliRunner

from susx.cli import app
from susx.datasets.hub_tables import open_tables
from susx.errors import ConfigError, InputError, StoreError
from susx.images.support import write_support
from susx.images.support.support_hub import pull_support
from susx.records import SupportRow
from susx.testing.http_images import encoded, random_picture

NAMES = ("polka dots", "a/c", "lion")


@pytest.fixture
def run(tmp_path):
    """A folder as a build leaves it: a table and images beside it."""
    folder = tmp_path / "run"
    (folder / "images").mkdir(parents=True)
    rows = []
    for number, name in enumerate(("a/c", "polka dots", "a/c", "lion")):
        (folder / "images" / f"{number}.jpg").write_bytes(encoded(random_picture(number, 16, 16)))
        row = SupportRow(name, f"images/{number}.jpg", f"{number:064x}", "retrieved", "a photo", url=f"http://x/{number}", licence="cc-by-4.0")  # fmt: skip
        rows.append(row.reject("duplicate") if number == 2 else row)
    write_support(folder / "support.parquet", rows)
    (tmp_path / "names.yaml").write_text("name: names\nclasses: [polka dots, a/c, lion]\n")
    return folder


def susx(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_there_and_back(hub, run, tmp_path):
    """What was pushed is pulled at its commit, with labels in the data set's order, and opens as any table."""
    pushed = susx("push", run, "hf://datasets/me/dots", "--dataset", tmp_path / "names.yaml")
    assert pushed.exit_code == 0, pushed.output
    pinned = pushed.output.split()[-1]
    assert pinned.startswith("hf://datasets/me/dots@")
    out = tmp_path / "pulled"
    pulled = susx("pull", pinned, "--out", out)
    assert pulled.exit_code == 0, pulled.output
    tables = open_tables(out)
    assert tables.names == NAMES
    found = {row.label: tables.image(row) for row in tables.rows("train")}
    written = {
        name: (run / "images" / f"{n}.jpg").read_bytes()
        for n, name in ((1, "polka dots"), (0, "a/c"), (3, "lion"))
    }
    assert found == written
    card = yaml.safe_load((out / "README.md").read_text().split("\n---\n")[0])
    assert card["license"] == "cc-by-4.0"
    assert json.loads((out / "classes.json").read_text()) == list(NAMES)
    with pytest.raises(StoreError, match="exists"):
        pull_support(pinned, out)


def test_refusals(hub, run, tmp_path):
    """No licence that all share; a classifier's address; a repository of something else: one paragraph, nothing half-done."""
    from susx.images.support import read_support

    rows = read_support(run / "support.parquet")
    object.__setattr__(rows[0], "licence", "?")
    write_support(run / "support.parquet", rows)
    refused = susx("push", run, "hf://datasets/me/dots")
    assert isinstance(refused.exception, InputError | ConfigError) or refused.exit_code
    assert "--license" in str(refused.exception) + refused.output
    with pytest.raises(InputError, match=r"private|holds no support set"):
        pull_support("hf://datasets/me/dots", tmp_path / "out")
    with pytest.raises(ConfigError, match=r"hf://datasets/owner/name"):
        pull_support("hf://me/dots", tmp_path / "out")
    assert susx("push", run, "hf://datasets/me/dots", "--license", "other").exit_code == 0
    assert not (tmp_path / "out").exists()
