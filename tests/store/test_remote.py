"""The store on an object store, against moto's S3 server on loopback."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("s3fs", reason="s3fs is not installed")
pytest.importorskip("moto.server", reason="moto's server is not installed")

from typer.testing import CliRunner

from susx.commands.store import app
from susx.errors import DamagedArtefact, StoreError, SusxError
from susx.pipeline.stage import Stage, execute, lookup
from susx.store import Job, is_remote, open_store
from susx.store.garbage import collect
from susx.store.inventory import damaged, inventory
from susx.store.lease import Lease

JOB = Job("fetch", 1, "small", "banded", {"alpha": 1})


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The address of an empty store."""
    import s3fs

    for name, value in {
        "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1", "NO_PROXY": "127.0.0.1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    name = f"b{abs(hash(request.node.name))}"
    s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False).mkdir(name)
    return f"s3://{name}/susx"


def write(job: Job, store: object, work: Path) -> dict[str, int]:
    """A stage that writes two files and takes a moment."""
    (work / "images").mkdir(exist_ok=True)
    (work / "images" / "0.png").write_bytes(b"zero")
    time.sleep(0.2)
    (work / "table.json").write_text("[1, 2]")
    return {"images": 1}


STAGE = Stage("fetch", 1, write, "Fetch images")


def test_an_artefact_made_here_is_read_elsewhere(bucket: str, tmp_path: Path) -> None:
    """What one machine made, another finds, downloads and verifies, with its ingredients."""
    made = execute(STAGE, JOB, open_store(bucket, tmp_path / "one"))
    other = open_store(bucket, tmp_path / "two")
    assert is_remote(bucket)
    assert other.last_ingredients(JOB) == JOB.ingredients
    found = lookup(JOB, other)
    assert found is not None
    assert (made.status, found.status, found.ref) == ("computed", "cached", made.ref)
    assert other.path(found.ref, "images/0.png").read_bytes() == b"zero"
    assert other.path(other.part(found.ref, "table.json")).read_text() == "[1, 2]"


def test_a_worker_reads_inputs_it_never_looked_up(bucket: str, tmp_path: Path) -> None:
    """A reference alone is enough to read an artefact on another machine."""
    made = execute(STAGE, JOB, open_store(bucket, tmp_path / "one"))
    assert open_store(bucket, tmp_path / "two").path(made.ref, "table.json").read_text() == "[1, 2]"


def test_two_builders_at_once_build_once(bucket: str, tmp_path: Path) -> None:
    """Of two machines asked for the same artefact one builds it; both return the same digest."""
    builders = [
        subprocess.Popen(
            [sys.executable, __file__, bucket, str(tmp_path / str(i))], stdout=subprocess.PIPE, text=True
        )
        for i in range(2)
    ]
    found = [builder.communicate(timeout=300)[0].split() for builder in builders]
    assert sorted(status for status, _ in found) == ["cached", "computed"]
    assert len({digest for _, digest in found}) == 1


def test_a_reader_never_sees_a_half_artefact(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every object that is uploaded, another machine sees no artefact until the last one is there."""
    store, reader = open_store(bucket, tmp_path / "one"), open_store(bucket, tmp_path / "two")
    seen = []

    def watched(original):
        def put(*args, **kwargs):
            seen.append(reader.find(JOB))
            return original(*args, **kwargs)

        return put

    monkeypatch.setattr(store.bucket.fs, "put_file", watched(store.bucket.fs.put_file))
    monkeypatch.setattr(store.bucket.fs, "pipe_file", watched(store.bucket.fs.pipe_file))
    execute(STAGE, JOB, store)
    assert len(seen) >= 4
    assert seen[:-1] == [None] * (len(seen) - 1)
    assert reader.find(JOB) is not None


def blob(store: object) -> str:
    """The object that holds 0.png."""
    import hashlib

    return store._at("fetch", JOB.key, f"files/{hashlib.sha256(b'zero').hexdigest()}")


def test_a_damaged_object_is_noticed_by_a_machine_without_a_copy(bucket: str, tmp_path: Path) -> None:
    """An altered object is refused and named, and the stage is done again where no sound copy is left."""
    store = open_store(bucket, tmp_path / "one")
    first = execute(STAGE, JOB, store)
    store.bucket.fs.pipe_file(blob(store), b"ZERO")
    other = open_store(bucket, tmp_path / "two")
    with pytest.raises(DamagedArtefact, match=r"images/0\.png"):
        other.find(JOB)
    again = execute(STAGE, JOB, other)
    assert (again.status, again.ref) == ("computed", first.ref)
    assert other.bucket.fs.cat_file(blob(other)) == b"zero"


def test_a_damaged_object_is_healed_from_a_sound_copy(
    bucket: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A machine that holds a verified copy says that an object was damaged and uploads it again."""
    store = open_store(bucket, tmp_path / "one")
    execute(STAGE, JOB, store)
    for damage in (
        lambda: store.bucket.fs.pipe_file(blob(store), b"ZERO"),
        lambda: store.bucket.fs.rm_file(blob(store)),
    ):
        damage()
        with caplog.at_level(logging.WARNING):
            assert lookup(JOB, store) is not None
        assert "damaged" in caplog.text
        assert store.bucket.fs.cat_file(blob(store)) == b"zero"


def test_listing_and_verifying_read_the_object_store(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands see what others made, download no files, name an altered object and take it out of use."""
    monkeypatch.setenv("SUSX_CACHE", str(tmp_path / "three"))
    store = open_store(bucket, tmp_path / "one")
    execute(STAGE, JOB, store)
    other = open_store(bucket, tmp_path / "two")
    (entry,) = inventory(other)
    assert (entry.stage, entry.key, entry.subject) == ("fetch", JOB.key, "banded")
    assert entry.size > len(b"zero[1, 2]")
    assert list(damaged(other)) == []
    assert not (tmp_path / "two").exists() or not list((tmp_path / "two").rglob("*.png"))
    store.bucket.fs.pipe_file(blob(store), b"ZERO")
    assert CliRunner().invoke(app, ["ls", "--store", bucket]).exit_code == 0
    done = CliRunner().invoke(app, ["verify", "--store", bucket])
    assert done.exit_code == 1
    assert "images/0.png" in done.output
    assert "taken out" in done.output
    assert CliRunner().invoke(app, ["verify", "--store", bucket]).exit_code == 0
    assert (execute(STAGE, JOB, other).status, list(damaged(other))) == ("computed", [])


def test_a_damaged_local_copy_is_downloaded_again(bucket: str, tmp_path: Path) -> None:
    """An altered file of the cache folder is replaced by the object's content."""
    store = open_store(bucket, tmp_path / "one")
    made = execute(STAGE, JOB, store)
    store.path(made.ref, "table.json").write_text("[3]")
    assert lookup(JOB, store) is not None
    assert store.path(made.ref, "table.json").read_text() == "[1, 2]"


def test_a_lease_excludes_and_a_dead_holder_loses_it(bucket: str, tmp_path: Path) -> None:
    """While one holds a lease another waits; a lease that nobody renews is taken over."""
    store = open_store(bucket, tmp_path / "one")
    path = store._lease_path(JOB.key)
    order = []

    def second() -> None:
        with Lease(store.bucket.fs, path, poll=0.05):
            order.append("second")

    with Lease(store.bucket.fs, path, poll=0.05):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.5)
        order.append("first")
        assert store.running(JOB)
    thread.join(60)
    assert order == ["first", "second"]
    store.bucket.fs.pipe_file(path, b"somebody who died")
    with Lease(store.bucket.fs, path, seconds=0.5, poll=0.05):
        assert store.bucket.fs.cat_file(path) != b"somebody who died"
    assert not store.running(JOB)


def test_reading_refreshes_the_age_of_objects(bucket: str, tmp_path: Path) -> None:
    """Who reads an artefact says so in its manifest's time, once a day; gc keeps what was used within two days."""
    store = open_store(bucket, tmp_path / "one")
    old, new = (execute(STAGE, Job("fetch", 1, "small", "banded", {"alpha": a}), store).ref for a in (1, 2))
    with pytest.raises(StoreError, match="at least 2 days"):
        collect(store, keep_seconds=86400, delete=True)
    assert collect(store, keep_seconds=3 * 86400, delete=True).removable == ()
    at = store._at("fetch", old.key, "manifest.json")
    before = store.bucket.modified(at)
    time.sleep(1.1)  # times of objects are whole seconds
    assert lookup(JOB, store) is not None
    assert store.bucket.modified(at) == before
    os.utime(store._seen("fetch", old.key), (1, 1))
    assert lookup(JOB, store) is not None
    assert store.bucket.modified(at) > before
    assert [entry.key for entry in inventory(store)] == sorted([old.key, new.key])


def test_gc_on_an_object_store_frees_the_replaced(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects of a replaced artefact go, manifest first; the latest and its objects stay; dead leases go."""
    store = open_store(bucket, tmp_path / "one")
    old, new = (execute(STAGE, Job("fetch", 1, "small", "banded", {"alpha": a}), store).ref for a in (1, 2))
    store.bucket.fs.pipe_file(store._lease_path("dead"), b"somebody who died")
    monkeypatch.setattr(store, "idle_since", lambda ref: 0.0)
    age = store.bucket.modified
    monkeypatch.setattr(store.bucket, "modified", lambda path: (m := age(path)) and m - 3600)
    ((path, size),) = collect(store, keep_seconds=3 * 86400, delete=True).removable
    assert (old.key in path, size > 0) == (True, True)
    assert [entry.key for entry in inventory(open_store(bucket, tmp_path / "two"))] == [new.key]
    assert not store.bucket.list(store.bucket.path("artefacts", "fetch", old.key[:2], old.key))
    assert not store.bucket.exists(store._lease_path("dead"))


def test_a_robbed_holder_leaves_the_new_lease_alone(bucket: str, tmp_path: Path) -> None:
    """A holder that slept while its lease was taken neither renews nor removes that of the new holder."""
    store = open_store(bucket, tmp_path / "one")
    path = store._lease_path(JOB.key)
    lease = Lease(store.bucket.fs, path, seconds=0.3, poll=0.05)
    with lease:
        store.bucket.fs.pipe_file(path, b"the new holder")
        deadline = time.monotonic() + 20
        while not lease.lost and time.monotonic() < deadline:
            time.sleep(0.05)
        assert lease.lost
        assert store.bucket.fs.cat_file(path) == b"the new holder"
    assert store.bucket.fs.cat_file(path) == b"the new holder"


def test_a_lease_is_renewed_while_it_is_held(bucket: str, tmp_path: Path) -> None:
    """A holder at work for many lives of its lease keeps it: another that waits all the time does not get it."""
    store = open_store(bucket, tmp_path / "one")
    path = store._lease_path(JOB.key)
    taken = threading.Event()

    def rob() -> None:
        with Lease(store.bucket.fs, path, seconds=1.5, poll=0.05):
            taken.set()

    with Lease(store.bucket.fs, path, seconds=1.5, poll=0.05):
        first = store.bucket.fs.cat_file(path)
        thread = threading.Thread(target=rob)
        thread.start()
        assert not taken.wait(5)
        assert store.bucket.fs.cat_file(path) != first
    thread.join(60)
    assert taken.is_set()


def test_a_dead_lease_is_not_running(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that nobody has renewed for long is not said to be somebody at work."""
    store = open_store(bucket, tmp_path / "one")
    store.bucket.fs.pipe_file(store._lease_path(JOB.key), b"somebody")
    assert store.running(JOB)
    later = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: later)
    assert not store.running(JOB)


def test_an_error_in_a_stage_is_not_the_buckets(bucket: str, tmp_path: Path) -> None:
    """A network error or a bad image inside a stage is not told as an unusable object store."""

    def fail(job: Job, store: object, work: Path) -> dict[str, int]:
        raise ConnectionResetError(104, "reset by peer")

    with pytest.raises(SusxError) as caught:
        execute(Stage("fetch", 1, fail, "Fetch images"), JOB, open_store(bucket, tmp_path / "one"))
    assert "cannot be used" not in str(caught.value)


def test_a_bucket_that_is_not_there_is_said_in_words(bucket: str, tmp_path: Path) -> None:
    """A wrong address gives one paragraph with the address in it."""
    with pytest.raises(StoreError, match="no-such-bucket"):
        open_store("s3://no-such-bucket/x", tmp_path).check_writable()


if __name__ == "__main__":
    outcome = execute(STAGE, JOB, open_store(sys.argv[1], Path(sys.argv[2])))
    print(outcome.status, outcome.ref.digest)
