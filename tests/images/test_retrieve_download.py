"""Downloads through the real img2dataset from a real server on loopback, with every failure."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from PIL import Image

from susx.config import DownloadConfig
from susx.errors import DownloadError, RetrievalError
from susx.images.retrieve import Candidate, fetch_images
from susx.images.retrieve.download import (
    check_any_fetched,
    download,
    download_folder,
    known_downloads,
)
from susx.images.retrieve.reasons import fetch_reason, probable_cause
from susx.testing.http_images import ImageServer

CONFIG = DownloadConfig(allow_private=True, timeout=5, retries=1, image_size=48, threads=8)

FAILURES = {
    "404": "dead-link", "410": "dead-link", "403": "forbidden", "503": "server-error", "hang": "timeout",
    "html": "not-an-image", "empty": "empty", "truncated/1.jpg": "truncated", "cut/2.jpg": "incomplete",
    "huge": "too-large", "bomb": "too-many-pixels", "loop": "redirect-loop", "opt-out": "opted-out",
    "429-then-ok/9/1.jpg": "rate-limited",
}  # fmt: skip
GOOD = ("ok/1.jpg", "ok/2.jpg", "cmyk", "png16", "gif", "exif", "429-then-ok/1/3.jpg")


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    work = tmp_path_factory.mktemp("work")
    with ImageServer() as server:
        urls = {path: server.url(path) for path in (*FAILURES, *GOOD)}
        urls["dns"] = "http://no-such-host.invalid/1.jpg"
        urls["scheme"] = "ftp://127.0.0.1/1.jpg"
        urls["refused"] = "http://127.0.0.1:9/1.jpg"
        first = download(urls.values(), work, CONFIG)
        seen = Counter(server.requests)
        second = download(urls.values(), work, CONFIG)
        yield urls, work, first, second, seen, Counter(server.requests)


@pytest.mark.parametrize("path", [*FAILURES, "dns", "scheme", "refused"])
def test_every_failure_has_its_reason(outcome, path):
    """Each kind of failure ends as a counted reason with a message."""
    urls, _, first, *_ = outcome
    expected = FAILURES | {"dns": "no-such-host", "scheme": "refused-scheme", "refused": "unreachable"}
    fate = first[urls[path]]
    assert (fate.reason, bool(fate.detail), fate.file) == (expected[path], True, "")


@pytest.mark.parametrize("path", GOOD)
def test_every_odd_image_is_fetched_and_decoded(outcome, path):
    """Odd but good images arrive as RGB JPEGs of the asked size."""
    urls, work, first, *_ = outcome
    image = Image.open(download_folder(work, CONFIG) / first[urls[path]].file)
    assert first[urls[path]].reason == ""
    assert image.mode == "RGB"
    assert min(image.size) == 48


def test_exif_rotation_survives_the_download(outcome):
    """The rotated picture arrives upright (img2dataset's own decoder would leave it lying)."""
    urls, work, first, *_ = outcome
    assert Image.open(download_folder(work, CONFIG) / first[urls["exif"]].file).size == (48, 64)


def test_only_failures_that_may_pass_are_tried_again(outcome):
    """Finished images and dead links are not asked for again; 429, 5xx and timeouts are."""
    _urls, _, first, second, seen, later = outcome
    for path in (*GOOD, "404", "403", "html", "bomb", "opt-out"):
        assert later[path] == seen[path], path
    assert seen["404"] == 1
    assert seen["503"] == 2
    assert seen["429-then-ok/1/3.jpg"] == 2
    assert later["503"] > seen["503"]
    assert {url: fate.reason for url, fate in first.items()} == {
        url: fate.reason for url, fate in second.items()
    }


def test_a_redirect_to_a_private_address_is_refused_by_the_worker(tmp_path):
    """The guard holds inside img2dataset's spawned processes, for the first request and for redirects."""
    with ImageServer() as outer, ImageServer() as inner:
        config = CONFIG.model_copy(
            update={"allow_private": False, "allow_hosts": (outer.host,), "processes": 2}
        )
        urls = [outer.url("ok/1.jpg"), outer.url(f"to?{inner.url('ok/2.jpg')}"), inner.url("ok/3.jpg")]
        fates = download(urls, tmp_path, config)
        assert [fates[url].reason for url in urls] == ["", "refused-address", "refused-address"]
        assert not inner.requests


def test_a_suspicious_failure_rate_stops_with_a_reason(tmp_path):
    """A list of dead links stops after a small first portion and says link rot, where img2dataset tells of failures at its end."""
    with ImageServer() as server:
        urls = [server.url(f"404/{n}") for n in range(60)]
        config = CONFIG.model_copy(update={"min_attempts": 10, "processes": 2})
        with pytest.raises(DownloadError, match=r"link rot.*dead-link 20"):
            download(urls, tmp_path, config)
        assert sum(server.requests.values()) == 20


@pytest.mark.parametrize(
    ("path", "cause", "again"), [("gone/0.1", "link rot", 0), ("503", "servers are failing", 1)]
)
def test_a_hopeless_list_is_cut_short_while_it_is_fetched(tmp_path, path, cause, again):
    """Its first links tell; failures that may pass are tried again before it is given up, and a second run asks those that are open."""
    with ImageServer() as server:
        urls = [server.url(f"{path}/{n}") for n in range(400 if again == 0 else 3000)]
        config = CONFIG.model_copy(update={"min_attempts": 10})
        with pytest.raises(DownloadError, match=rf"{cause}.*Counts: ") as stopped:
            download(urls, tmp_path, config)
        asked = len(server.requests)
        assert 20 <= asked < len(urls) / 2
        assert set(server.requests.values()) <= {1, 1 + again}
        told = int(re.match(r"(\d+) of", str(stopped.value))[1])
        assert told == len(known_downloads(urls, tmp_path, config)) >= 20


def test_failures_at_first_that_pass_cut_nothing_short(tmp_path):
    """So many at first that it looks hopeless: they are tried again, and then the rest is fetched."""
    with ImageServer() as server:
        urls = [server.url(f"429-then-ok/1/{n}.jpg") for n in range(300)]
        urls += [server.url(f"ok/{n}.jpg") for n in range(300, 340)]
        config = CONFIG.model_copy(update={"min_attempts": 10, "threads": 4})
        fates = download(urls, tmp_path, config)
        assert {fate.reason for fate in fates.values()} == {""}
        assert len(fates) == 340


def test_refused_links_are_asked_once_they_are_allowed(tmp_path):
    """The refusal names a setting; with that setting the same list is fetched, on the same folder."""
    with ImageServer() as server:
        urls = [server.url(f"ok/{n}.jpg") for n in range(3)]
        refused = download(urls, tmp_path, CONFIG.model_copy(update={"allow_private": False}))
        assert {fate.reason for fate in refused.values()} == {"refused-address"}
        with pytest.raises(RetrievalError, match=r"None of the 3 links of links.csv.*allow_private=true"):
            check_any_fetched(refused, "links.csv")
        fetched = download(urls, tmp_path, CONFIG)
        check_any_fetched(fetched, "links.csv")
        assert {fate.reason for fate in fetched.values()} == {""}


@pytest.mark.parametrize("damage", ["emptied", "zeroed", "foreign", "gone"])
def test_a_kept_image_that_is_another_is_fetched_again(tmp_path, damage):
    """Whatever a crash or a person made of a file in downloads/: it is not taken for the link's image."""
    with ImageServer() as server:
        urls = [server.url(f"ok/{n}.jpg") for n in (1, 2)]
        fates = download(urls, tmp_path, CONFIG)
        folder = download_folder(tmp_path, CONFIG)
        path, other = (folder / fates[url].file for url in urls)
        whole = path.read_bytes()
        if damage == "gone":
            path.unlink()
        else:
            path.write_bytes(
                {"emptied": b"", "zeroed": bytes(len(whole)), "foreign": other.read_bytes()}[damage]
            )
        assert urls[0] not in known_downloads(urls, tmp_path, CONFIG)
        assert download(urls, tmp_path, CONFIG) == fates
        assert path.read_bytes() == whole
        assert dict(server.requests) == {"ok/1.jpg": 2, "ok/2.jpg": 1}


def test_a_killed_download_goes_on_where_it_was(tmp_path):
    """After SIGKILL in mid-download nothing complete is fetched again, and the outcome is that of an unbroken run."""
    with ImageServer() as server:
        urls = [server.url(f"slow/0.15/{n}.jpg") for n in range(60)]
        config = CONFIG.model_copy(update={"threads": 2, "timeout": 5})
        (tmp_path / "urls.json").write_text(json.dumps(urls))
        code = (
            "import json, sys; from pathlib import Path; from susx.config import DownloadConfig\n"
            "from susx.images.retrieve import download\n"
            "config = DownloadConfig.model_validate_json(sys.argv[2])\n"
            "download(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[3]), config)\n"
        )
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                code,
                str(tmp_path / "urls.json"),
                config.model_dump_json(),
                str(tmp_path / "work"),
            ]
        )
        try:
            end = time.monotonic() + 120
            while sum(server.completed.values()) < 15 and time.monotonic() < end:
                time.sleep(0.02)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        time.sleep(1)
        before = Counter(server.requests)
        assert 15 <= sum(before.values()) < 60, "the downloader died with its parent, in mid-download"
        resumed = download(urls, tmp_path / "work", config)
        fresh = download(urls, tmp_path / "fresh", config.model_copy(update={"threads": 16}))
        twice = [path for path in before if server.requests[path] > 2]
        in_flight = 4  # threads asking when the kill came, and answers on their way to the disk
        assert len(twice) <= in_flight
        assert resumed.keys() == fresh.keys()
        for url in urls:
            pair = [
                (tmp_path / name).joinpath(download_folder(tmp_path / name, config).name, fates[url].file)
                for name, fates in (("work", resumed), ("fresh", fresh))
            ]
            assert pair[0].read_bytes() == pair[1].read_bytes()


def test_candidates_become_files_and_rows(tmp_path):
    """Bytes, paths and links become files named by content, one row per candidate in order, failures with reasons."""
    with ImageServer() as server:
        (tmp_path / "local.jpg").write_bytes(server.photo(5))

        def candidate(item, **where):
            return Candidate("cat", "a cat", "a cat", item, 0.3, licence="cc0", **where)

        rows = fetch_images(
            [
                candidate("a", image=server.photo(4)),
                candidate("b", path=str(tmp_path / "local.jpg")),
                candidate("c", url=server.url("ok/6.jpg")),
                candidate("d", url=server.url("404")),
                candidate("e", image=b"<html>"),
                candidate("f", path=str(tmp_path / "gone.jpg")),
                candidate("h"),
                candidate("g", url=server.url("503")),
            ],
            tmp_path / "artefact", tmp_path / "work", CONFIG, model="m",
        )  # fmt: skip
    assert [row.rejected for row in rows] == [
        "",
        "",
        "",
        "dead-link",
        "not-an-image",
        "missing-file",
        "no-link",
        "server-error",
    ]
    for row in rows[:3]:
        image = Image.open(tmp_path / "artefact" / row.file)
        assert (image.width, image.height) == (row.width, row.height)
        assert len(row.phash) == 16
    assert {row.file for row in rows[:3]} == {
        p.relative_to(tmp_path / "artefact").as_posix() for p in (tmp_path / "artefact" / "images").iterdir()
    }


def test_rows_of_a_feature_pool_need_no_image(tmp_path):
    """Of a pool a row without link and path is kept, told from others by its place; of anything else it is rejected."""
    rows = [Candidate("cat", "a cat", "a cat", item, 0.3) for item in ("pool:7", "pool:8")]
    kept = fetch_images(rows, tmp_path / "pooled", tmp_path / "work", CONFIG, model="m", pooled=True)
    assert [(row.rejected, row.file) for row in kept] == [("", ""), ("", "")]
    assert len({row.digest for row in kept}) == 2
    refused = fetch_images(rows, tmp_path / "other", tmp_path / "work", CONFIG, model="m")
    assert [row.rejected for row in refused] == ["no-link", "no-link"]


def test_messages_are_sorted_and_the_likely_cause_is_named():
    """Unknown words stay 'failed'; the most frequent reason is explained with the counts."""
    assert fetch_reason("something else") == "failed"
    assert fetch_reason("HTTP Error 451: x") == "forbidden"
    assert "DNS" in probable_cause(Counter({"no-such-host": 5, "dead-link": 1}))
