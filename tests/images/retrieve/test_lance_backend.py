"""The backend ``lance`` on data sets that lancedb writes here: 50,000 rows, with an index and without, on a disk and in a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from susx.config import RetrievalConfig
from susx.encoder_id import EncoderId
from susx.errors import ConfigError, MismatchError, RetrievalError
from susx.images.retrieve import Query, search
from susx.images.retrieve.backends import backend_settings
from susx.images.retrieve.backends.backend import Opening
from susx.testing.encoders import WordEncoder
from susx.testing.http_images import encoded, random_picture

lance = pytest.importorskip("lance")
lancedb = pytest.importorskip("lancedb")

from susx.images.retrieve.backends.lance import LanceBackend  # noqa: E402

ENCODER = WordEncoder()
IDENTITY = EncoderId("words", "d" * 64, "fp32")
ROWS = 50_000
KINDS = ("cat", "dog", "hot dog", "pebble")


def rows_of(number: int, *, first: int = 0, dim: int = 32) -> pa.Table:
    """Return captioned rows whose vectors are those of the first pictures' encoder where ``dim`` is its width."""
    pictures = [random_picture(at, 24, 24) for at in range(40)]
    images = [encoded(picture) for picture in pictures]
    shown = ENCODER.encode_images(pictures).numpy()
    rng = np.random.default_rng(first)
    vectors = np.empty((number, dim), np.float32)
    for at in range(number):
        noise = rng.standard_normal(dim).astype(np.float32)
        vectors[at] = noise if dim != 32 else shown[(first + at) % 40] + 0.05 * noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return pa.table(
        {
            "image": pa.array([images[(first + at) % 40] + bytes(2000) for at in range(number)], pa.binary()),
            "caption": [f"a {KINDS[at % 4]} in picture {first + at}" for at in range(number)],
            "url": [f"https://p.example/{first + at}.jpg" for at in range(number)],
            "punsafe": np.linspace(0, 1, number),
            "license": [("CC BY 2.0", "by-nc", None)[at % 3] for at in range(number)],
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dim),
        }
    )


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return rows_of(ROWS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, table: pa.Table) -> Path:
    """Two data sets of the same rows: ``plain``, and ``indexed`` with an index of vectors and one of captions over all but the last 500."""
    place = tmp_path_factory.mktemp("lance")
    database = lancedb.connect(str(place))
    database.create_table("plain", table)
    indexed = database.create_table("indexed", table.slice(0, ROWS - 500))
    indexed.create_index("l2", num_partitions=32, num_sub_vectors=8, vector_column_name="vector")
    indexed.create_fts_index("caption")
    indexed.add(table.slice(ROWS - 500))
    return place


def opened(data: object, **settings: object) -> LanceBackend:
    config = RetrievalConfig.model_validate({"backend": "lance", "data": str(data), **settings})
    backend = backend_settings(config).open(Opening(ENCODER))
    assert isinstance(backend, LanceBackend)
    return backend


def query(name: str, wanted: int = 48) -> Query:
    return Query(name, f"A photo of a {name}.", f"A photo of a {name}.", wanted, subject=name)


@pytest.mark.parametrize("name", ["plain", "indexed"])
def test_vectors_of_ours_are_searched(folder: Path, table: pa.Table, name: str) -> None:
    """That they are ours is found out; the nearest rows are those of a plain product, and similarities are cosines."""
    backend = opened(folder / f"{name}.lance")
    assert backend.ours
    vectors = np.stack(table["vector"].to_numpy(zero_copy_only=False))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = [query(kind) for kind in KINDS]
    asked = ENCODER.encode_texts([one.text for one in queries]).numpy()
    for one, vector, found in zip(queries, asked, search(backend, queries), strict=True):
        right = np.sort(vectors @ vector)[::-1][: one.wanted]
        assert len(found) == one.wanted
        assert len({candidate.url for candidate in found}) == one.wanted
        similarities = np.array([candidate.similarity for candidate in found])
        assert (np.diff(similarities) <= 1e-6).all()
        overlap = (similarities >= right[-1] - 1e-4).mean()
        # An index is approximate, and trained from a random start.
        assert overlap >= (1 if name == "plain" else 0.8), overlap
        assert found[0].image is not None


@pytest.mark.parametrize("name", ["plain", "indexed"])
def test_filters_are_pushed_down(folder: Path, table: pa.Table, name: str) -> None:
    """A condition that one row in a hundred meets, and a licence: the number asked for is found all the same."""
    backend = opened(folder / f"{name}.lance", where="punsafe < 0.01", licence="by")
    for vectors in ("auto", "none"):
        backend = opened(folder / f"{name}.lance", where="punsafe < 0.01", licence="by", vectors=vectors)
        found = search(backend, [query("cat", 30)], ("by",))[0]
        assert len(found) == 30
        assert {(one.licence, one.refused) for one in found} == {("CC BY 2.0", "")}
        assert all(float(one.nsfw or 1) < 0.01 for one in found)
    if name == "plain":
        assert search(opened(folder / "plain.lance", licence="pdm"), [query("cat", 30)], ("pdm",))[0] == []


def test_only_what_is_needed_is_read(folder: Path) -> None:
    """A search of 48 images reads the texts or the vectors, and of the 100 MB of images those that were found."""
    for vectors, most in (("none", 8e6), ("ours", 14e6)):
        backend = opened(folder / "plain.lance", vectors=vectors)
        backend.data.io_stats_incremental()
        [found] = search(backend, [query("hot dog", 48)])
        assert len(found) == 48
        read = backend.data.io_stats_incremental().read_bytes
        assert read < most, (vectors, read)


@pytest.mark.parametrize("name", ["plain", "indexed"])
def test_by_words_where_the_vectors_are_of_another(folder: Path, tmp_path: Path, name: str) -> None:
    """Of another width, or of the same and another encoder: names as whole words in their order, from the index or the texts."""
    for dim in (16, 32):
        rows = rows_of(400, dim=dim)
        if dim == 32:
            others = np.random.default_rng(5).standard_normal(400 * 32).astype(np.float32)
            rows = rows.set_column(5, "vector", pa.FixedSizeListArray.from_arrays(pa.array(others), 32))
        other = lancedb.connect(str(tmp_path / str(dim))).create_table("other", rows)
        if name == "indexed":
            other.create_fts_index("caption")
        backend = opened(tmp_path / str(dim))
        assert not backend.ours
        assert {one.caption.split(" in ")[0] for one in search(backend, [query("dog", 300)])[0] if one.caption} == {
            "a dog", "a hot dog",
        }  # fmt: skip
        hot = search(backend, [query("hot dog", 300)])[0]
        assert len(hot) == 100
        assert all("hot dog" in str(one.caption) and one.image for one in hot)
    found = search(opened(folder / f"{name}.lance", vectors="none"), [query("pebble", 60)])[0]
    assert len({one.url for one in found}) == 60


def test_rows_that_an_index_does_not_cover_are_found(tmp_path: Path) -> None:
    """The index is over other rows: what was added since is searched too, by vector and by word."""
    database = lancedb.connect(str(tmp_path))
    old = database.create_table("t", rows_of(2000))
    old.create_index("l2", num_partitions=4, num_sub_vectors=8, vector_column_name="vector")
    old.create_fts_index("caption")
    added = rows_of(1, first=7)
    added = added.set_column(1, "caption", pa.array(["a xylophone"]))
    vector = ENCODER.encode_texts(["A photo of a xylophone."]).numpy()[0]
    added = added.set_column(5, "vector", pa.FixedSizeListArray.from_arrays(pa.array(vector), 32))
    old.add(added)
    for vectors in ("ours", "none"):
        found = search(opened(tmp_path, vectors=vectors), [query("xylophone", 5)])[0]
        assert found[0].caption == "a xylophone"


@pytest.mark.parametrize("indexed", [False, True], ids=["plain", "by an l2 index"])
def test_rows_of_zeros_take_no_image_s_place(tmp_path: Path, indexed: bool) -> None:
    """What could not be encoded is often kept as zeros, which l2 puts before every image."""
    rows = rows_of(600)
    vectors = np.stack(rows["vector"].to_numpy(zero_copy_only=False)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[::3] = 0
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    at = rows.column_names.index("vector")
    made = lancedb.connect(str(tmp_path)).create_table("zeros", rows.set_column(at, "vector", column))
    if indexed:
        made.create_index("l2", num_partitions=1, num_sub_vectors=8, vector_column_name="vector")
    [found] = search(opened(tmp_path / "zeros.lance", vectors="ours"), [query("cat", 30)])
    assert len(found) == 30
    assert min(candidate.similarity for candidate in found) > -1
    assert {candidate.url for candidate in found} <= set(
        rows.filter(pa.array(vectors.any(axis=1)))["url"].to_pylist()
    )


def test_what_comes_of_a_row_without_an_image(tmp_path: Path) -> None:
    """Its link; without captions a data set is searched by vectors, and refused without either."""
    rows = rows_of(20)
    database = lancedb.connect(str(tmp_path))
    database.create_table("links", rows.drop_columns(["image"]))
    [found] = search(opened(tmp_path, vectors="ours"), [query("cat", 3)])
    assert [(one.image, str(one.url)[:18]) for one in found] == [(None, "https://p.example/")] * 3
    database.create_table("mute", rows.drop_columns(["caption"]))
    assert len(search(opened(tmp_path / "mute.lance"), [query("cat", 3)])[0]) == 3
    with pytest.raises(RetrievalError, match="neither captions nor labels"):
        opened(tmp_path / "mute.lance", vectors="none")
    database.create_table("other", rows_of(20, dim=16).drop_columns(["caption"]))
    with pytest.raises(RetrievalError, match="its vectors are not those of the encoder 'word-encoder'"):
        search(opened(tmp_path / "other.lance"), [query("cat", 3)])


def test_refusals_say_what_to_give(tmp_path: Path) -> None:
    database = lancedb.connect(str(tmp_path))
    database.create_table("one", rows_of(20))
    database.create_table("two", rows_of(20, dim=16))
    with pytest.raises(ConfigError, match=r"several data sets.*one, two"):
        opened(tmp_path)
    assert opened(tmp_path, table="two").name.endswith("two.lance")
    with pytest.raises(MismatchError, match=r"width of 16; the encoder 'word-encoder' makes 32"):
        search(opened(tmp_path / "two.lance", vectors="ours"), [query("cat")])
    with pytest.raises(ConfigError, match=r"retrieval.vector: .*no vectors 'vectr', only vector"):
        opened(tmp_path / "one.lance", vector="vectr")
    with pytest.raises(ConfigError, match=r"retrieval.where: .*cannot be asked for 'unsafe < 1'"):
        opened(tmp_path / "one.lance", where="unsafe < 1")
    with pytest.raises(RetrievalError, match="which is not there"):
        opened(tmp_path / "three.lance")
    (tmp_path / "no.lance").mkdir()
    with pytest.raises(RetrievalError, match="cannot be opened as a Lance data set"):
        opened(tmp_path / "no.lance")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RetrievalError, match="holds no Lance data sets"):
        opened(tmp_path / "empty")


def test_a_changed_data_set_has_another_identity(tmp_path: Path) -> None:
    table = lancedb.connect(str(tmp_path)).create_table("t", rows_of(20))
    settings = backend_settings(RetrievalConfig.model_validate({"backend": "lance", "data": str(tmp_path)}))
    before = settings.identity(IDENTITY)
    assert settings.identity(IDENTITY) == before
    table.add(rows_of(1))
    added = settings.identity(IDENTITY)
    assert added != before
    lancedb.connect(str(tmp_path)).drop_table("t")
    lancedb.connect(str(tmp_path)).create_table("t", rows_of(20))
    assert settings.identity(IDENTITY) not in (before, added)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for key, value in {
        "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT": f"http://{host}:{port}", "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ALLOW_HTTP": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(key, value)
    import boto3

    boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="pictures")
    yield "s3://pictures/sets"
    server.stop()


def test_in_a_bucket(bucket: str) -> None:
    """The same data set behind S3's protocol, its keys from the environment."""
    table = lancedb.connect(bucket).create_table("t", rows_of(200))
    table.create_fts_index("caption")
    [found] = search(opened(f"{bucket}/t.lance", vectors="none"), [query("hot dog", 9)])
    assert len(found) == 9
    assert all(one.image for one in found)
    assert len(search(opened(bucket, vectors="ours"), [query("cat", 9)])[0]) == 9


def test_captions_are_an_even_sample(folder: Path) -> None:
    backend = opened(folder / "plain.lance")
    assert backend.captions(5) == [f"a {KINDS[at % 4]} in picture {at}" for at in range(0, ROWS, 10_000)]
    assert len(backend.captions(ROWS)) == ROWS
