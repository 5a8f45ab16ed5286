"""The review's server against whoever asks it: only the page may, bad requests are refused, a full disk loses nothing."""

from __future__ import annotations

import csv
import http.client
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from susx.labelling.answers_file import Answer, AnswerFile, now
from susx.labelling.corrections import CORRECTIONS
from susx.labelling.label_result import LabelResult
from susx.labelling.review.server import create_app
from susx.labelling.review.session import ReviewSession
from susx.labelling.review.tile_pictures import Pictures
from tests.labelling.conftest import make_result

Client = Callable[[LabelResult], TestClient]


@pytest.fixture
def client() -> Client:
    """Ask the server of a result as its page does."""

    def make(result: LabelResult) -> TestClient:
        assert result.folder is not None
        app = create_app(
            ReviewSession(result), Pictures(Path(result.record.folder), result.folder / ".pictures"), "ann"
        )
        return TestClient(app, base_url="http://127.0.0.1:80", raise_server_exceptions=False)

    return make


def say(client: TestClient, row: int, label: str, **more: Any) -> Any:
    return client.post("/api/answers", json={"answers": [{"id": row, "label": label}], **more})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:80"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_only_the_page_itself_may_ask(
    labelled: LabelResult, client: Client, headers: dict[str, str], status: int
) -> None:
    """Other names for this machine, other pages and their images are refused, for reading and for answering."""
    page = client(labelled)
    assert page.get("/api/summary", headers=headers).status_code == status
    assert page.get("/small/0", headers=headers).status_code == status
    said = page.post("/api/answers", json={"answers": [{"id": 0, "label": "x"}]}, headers=headers)
    assert said.status_code == status


def test_a_form_of_another_page_cannot_answer(labelled: LabelResult, client: Client) -> None:
    """What a browser sends without asking first is no answer."""
    page = client(labelled)
    body = json.dumps({"answers": [{"id": 0, "label": "x"}]})
    assert page.post("/api/answers", content=body, headers={"Content-Type": "text/plain"}).status_code == 403
    assert (
        page.post(
            "/api/answers",
            content=(part for part in [body.encode()]),
            headers={"Content-Type": "application/json"},
        ).status_code
        == 403
    )
    assert not (labelled.folder or Path()).joinpath(CORRECTIONS).exists()


def test_browsers_are_told_to_load_nothing_from_elsewhere(labelled: LabelResult, client: Client) -> None:
    """The policy is on every answer, and the page's files name no other address."""
    page = client(labelled)
    for address in ("/", "/review.css", "/review.js", "/tiles.js", "/picker.js", "/api/summary"):
        answer = page.get(address)
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "https://" not in answer.text
        assert "innerHTML" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        {}, {"answers": []}, {"answers": [{"id": 99, "label": "x"}]}, {"answers": [{"id": -1, "label": "x"}]}, {"answers": [{"id": 0}]},
        {"answers": [{"id": 0, "label": "x" * 201}]}, {"answers": [{"id": 0, "label": None}]}, {"answers": [{"id": 0, "label": "x"}], "audit": True},
        {"answers": [{"id": 1, "label": "ok"}, {"id": 99, "label": "x"}]},
    ],
)  # fmt: skip
def test_a_bad_answer_is_refused_and_nothing_is_written(
    labelled: LabelResult, client: Client, body: Any
) -> None:
    """All of it or none of it."""
    assert client(labelled).post("/api/answers", json=body).status_code in (400, 422)
    assert not (labelled.folder or Path()).joinpath(CORRECTIONS).exists()


@pytest.mark.parametrize(
    "address",
    ["/api/view?view=x", "/api/view?view=audit", "/api/view?order=x", "/api/tiles?ids=", "/api/tiles?ids=1,x", "/api/tiles?ids=99", "/api/changes?since=x", "/small/99", "/large/-1"],
)  # fmt: skip
def test_a_bad_question_is_refused(labelled: LabelResult, client: Client, address: str) -> None:
    """With a reason, never an error of the server."""
    answer = client(labelled).get(address)
    assert answer.status_code in (400, 404, 422)
    assert answer.json()


def test_what_others_write_is_seen(labelled: LabelResult, client: Client) -> None:
    """A line by another process, one without digest, one about an unknown image and a new class."""
    page, frame = client(labelled), labelled.frame
    before = page.get("/api/summary").json()
    log = AnswerFile((labelled.folder or Path()) / CORRECTIONS)
    log.append([
        Answer(now(), frame["path"][0], frame["digest"][0], "paisley", "bob"), Answer(now(), frame["path"][1], "", "", "bob"),
        Answer(now(), "gone.jpg", "f" * 64, "cat", "bob"),
    ])  # fmt: skip
    changes = page.get("/api/changes", params={"since": before["version"]}).json()
    assert {tile["id"]: tile["answer"] for tile in changes["tiles"]} == {0: "paisley", 1: ""}
    summary = changes["summary"]
    assert summary["strangers"] == 1
    assert summary["none"] == 1
    assert {"name": "paisley", "count": 1, "answered": 1} in summary["classes"]
    assert page.get("/api/changes", params={"since": changes["version"]}).json() == {
        "version": changes["version"]
    }


def test_undo_takes_back_ones_own_words_only(labelled: LabelResult, client: Client) -> None:
    """Ann's undo leaves Bob's answer, also where it came later."""
    page = client(labelled)
    say(page, 0, "dotted", who="ann")
    say(page, 1, "woven", who="bob")
    undone = page.post("/api/undo", json={"who": "ann"}).json()["tiles"]
    assert [(tile["id"], tile["answer"]) for tile in undone] == [(0, None)]
    assert page.post("/api/undo", json={"who": "ann"}).json()["tiles"] == []
    assert page.get("/api/tiles?ids=1").json()["tiles"][0]["answer"] == "woven"


def test_a_picture_is_made_once_and_upright(labelled: LabelResult, client: Client) -> None:
    """It lies beside the result by content; a result that cannot be written to is served all the same."""
    page, folder = client(labelled), labelled.folder
    assert folder is not None
    first = page.get("/small/0")
    assert first.headers["content-type"] == "image/jpeg"
    kept = list((folder / ".pictures").rglob("*.jpg"))
    assert len(kept) == 1
    assert kept[0].stem == labelled.frame["digest"][0]
    (Path(labelled.record.folder) / "00000.png").unlink()
    assert page.get("/small/0").content == first.content
    assert page.get("/large/0").status_code == 404
    cache = folder / ".pictures"
    for file in kept:
        file.unlink()
        file.parent.rmdir()
    cache.rmdir()
    cache.write_text("a file where the folder was")
    assert page.get("/small/1").status_code == 200


def test_a_full_disk_in_the_middle_of_a_review(tmp_path: Path, client: Client) -> None:
    """The answer is refused with a reason, nothing counts that is not written, and with room the review goes on."""
    mount = tmp_path / "small"
    mount.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(mount)], capture_output=True
        ).returncode
    ):
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        page = client(make_result(mount, 12, drawn=2))
        assert say(page, 0, "dotted").status_code == 200
        with open(mount / "ballast", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 1024)
            except OSError:
                pass
        long = "a class with a long name " * 7
        statuses = [say(page, 1, long).status_code for _ in range(40)]
        assert statuses[-1] == 507
        refused = say(page, 2, long).json()["error"]
        written = statuses.count(200)
        assert "the disk is full" in refused
        assert page.get("/small/0").status_code == 200, "a picture that cannot be kept is shown"
        assert page.get("/api/tiles?ids=2").json()["tiles"][0]["answer"] is None
        (mount / "ballast").unlink()
        assert say(page, 2, "woven").status_code == 200
        with open(mount / "result" / CORRECTIONS, encoding="utf-8", newline="") as lines:
            assert len(list(csv.DictReader(lines))) == written + 2
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_the_command_listens_on_this_machine_alone(labelled: LabelResult, serve: Callable[..., str]) -> None:
    """The address is 127.0.0.1, and other names for it are refused by the server itself."""
    address = serve(labelled.folder)
    port = int(address.rsplit(":", 1)[1].strip("/"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/", headers={"Host": f"evil.example:{port}"})
    assert connection.getresponse().status == 403
    connection.close()
    listening = Path("/proc/net/tcp")
    if listening.exists():
        rows = [line.split() for line in listening.read_text().splitlines()[1:]]
        assert {row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")} == {
            f"0100007F:{port:04X}"
        }
