"""What every backend keeps, found in the registry, on a source of 18 captions; what one has of its own is in its own file."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from susx.config import DownloadConfig, RetrievalConfig
from susx.errors import ConfigError
from susx.images.retrieve import Candidate, Query, read_candidates, write_candidates
from susx.images.retrieve.backends import (
    BACKENDS,
    Backend,
    BackendSettings,
    Delivers,
    backend_settings,
    known_backends,
    open_backend,
)
from susx.images.retrieve.backends.capabilities import (
    GivesCaptionedSample,
    GivesCaptions,
    GivesFeatures,
    GivesParts,
    SearchesVectors,
    promised,
)
from susx.images.retrieve.index_manifest import IndexManifest
from susx.store import digest_json
from susx.testing.collections import Picture
from susx.testing.encoders import WordEncoder
from susx.testing.http_knn import ScriptedKnn
from susx.testing.http_openverse import OpenverseServer
from susx.testing.http_organisms import GbifServer, InaturalistServer
from susx.testing.http_viewer import DATASET, ViewerServer

ENCODER = WordEncoder()
IDENTITY = ENCODER.identity
NAMES = ("cat", "dog", "crane")
TAXA = {"cat": "Felis catus", "dog": "Canis familiaris", "crane": "Grus grus"}
CAPTIONS = [f"a {name} number {number}" for number in range(6) for name in NAMES]


def links(captions: Sequence[str]) -> list[str]:
    return [f"http://example.org/{at}.jpg" for at in range(len(captions))]


def vectors(captions: Sequence[str]) -> np.ndarray:
    return np.asarray(ENCODER.encode_texts(captions).numpy())


def table(captions: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame({"url": links(captions), "caption": captions})


def of_urls(folder: Path, captions: Sequence[str], stack: ExitStack) -> dict[str, Any]:
    table(captions).to_csv(folder / "list.csv", index=False)
    return {"urls": str(folder / "list.csv")}


def of_parquet(folder: Path, captions: Sequence[str], stack: ExitStack) -> dict[str, Any]:
    table(captions).to_parquet(folder / "table.parquet")
    return {"data": str(folder / "table.parquet")}


def of_features(folder: Path, captions: Sequence[str], stack: ExitStack) -> dict[str, Any]:
    np.save(folder / "features.npy", vectors(captions))
    pd.DataFrame({"caption": captions}).to_csv(folder / "rows.csv", index=False)
    return {"folder": str(folder)}


def of_index(folder: Path, captions: Sequence[str], stack: ExitStack) -> dict[str, Any]:
    (folder / "metadata").mkdir(exist_ok=True)
    index = faiss.IndexFlatIP(ENCODER.dim)
    index.add(vectors(captions))
    faiss.write_index(index, str(folder / "image.index"))
    table(captions).to_parquet(folder / "metadata" / "metadata_0.parquet")
    (folder / "img_emb").mkdir(exist_ok=True)
    np.save(folder / "img_emb" / "img_emb_0.npy", vectors(captions))
    content = digest_json(list(captions))  # 'susx index build' writes the digest of all files here
    IndexManifest(
        ENCODER.identity.model, ENCODER.identity.digest, ENCODER.dim, len(captions), {}, content, "images"
    ).write(folder)
    return {"folder": str(folder)}


def of_demo(folder: Path, captions: Sequence[str], stack: ExitStack) -> dict[str, Any]:
    of_index(
        folder, captions, stack
    )  # a build draws and indexes it; it is handed to the backend when it is opened
    return {}


def of_lance(folder: Path, captions: Sequence[str], stack: ExitStack) -> dict[str, Any]:
    lancedb = pytest.importorskip("lancedb")
    rows = vectors(captions)
    data = pa.table(
        {
            "url": links(captions), "caption": list(captions),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1]),
        }
    )  # fmt: skip
    lancedb.connect(str(folder)).create_table("rows", data, mode="overwrite")
    return {"data": str(folder / "rows.lance")}


def of_service(folder: Path, captions: Sequence[str], stack: ExitStack) -> dict[str, Any]:
    return {"url": stack.enter_context(ScriptedKnn("ok")).url}


def shown(captions: Sequence[str]) -> list[Picture]:
    return [
        Picture(text.split()[1], text, text.encode(), "A", "by 2.0", f"https://p.example/{at}")
        for at, text in enumerate(captions)
    ]


def of_openverse(folder: Path, captions: Sequence[str], stack: ExitStack) -> dict[str, Any]:
    return {"address": stack.enter_context(OpenverseServer(shown(captions))).address}


def of_inaturalist(folder: Path, captions: Sequence[str], stack: ExitStack) -> dict[str, Any]:
    return {"address": stack.enter_context(InaturalistServer(shown(captions), TAXA)).address}


def of_gbif(folder: Path, captions: Sequence[str], stack: ExitStack) -> dict[str, Any]:
    return {"address": stack.enter_context(GbifServer(shown(captions), TAXA)).address}


def of_chain(folder: Path, captions: Sequence[str], stack: ExitStack) -> dict[str, Any]:
    return {"sources": "parquet", "parquet": of_parquet(folder, captions, stack)}


def of_auto(folder: Path, captions: Sequence[str], stack: ExitStack) -> dict[str, Any]:
    return {"sources": "lance", "lance": of_lance(folder, captions, stack)}


def of_viewer(folder: Path, captions: Sequence[str], stack: ExitStack) -> dict[str, Any]:
    return {"dataset": DATASET, "address": stack.enter_context(ViewerServer(shown(captions))).address}


SOURCES: dict[str, Callable[[Path, Sequence[str], ExitStack], dict[str, Any]]] = {
    "auto": of_auto, "chain": of_chain, "demo": of_demo, "features": of_features, "gbif": of_gbif, "inaturalist": of_inaturalist, "index": of_index, "lance": of_lance,
    "openverse": of_openverse, "parquet": of_parquet, "service": of_service, "urls": of_urls, "viewer": of_viewer,
}  # fmt: skip
"""How a source with these captions is made in a folder, or served until the end of a test -> the backend's settings."""

BLIND = {"demo", "gbif", "inaturalist", "openverse", "service", "viewer"}
"""Those whose identity does not tell their content: drawn by a build, or a service that does not say when it changes."""

every = pytest.mark.parametrize("name", BACKENDS)


@dataclasses.dataclass
class Opened:
    """A backend with its settings."""

    settings: BackendSettings
    backend: Backend


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as servers:
        yield servers


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUSX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SUSX_CONTACT", "ada@example.org")


def section(name: str, folder: Path, captions: Sequence[str], stack: ExitStack) -> RetrievalConfig:
    folder.mkdir(exist_ok=True)
    return RetrievalConfig.model_validate({"backend": name, **SOURCES[name](folder, captions, stack)})


@pytest.fixture
def opened(name: str, tmp_path: Path, stack: ExitStack) -> Opened:
    config = section(name, tmp_path / "source", CAPTIONS, stack)
    pool = tmp_path / "source" if name == "demo" else None
    return Opened(
        backend_settings(config),
        open_backend(
            config, ENCODER, download=DownloadConfig(allow_private=True), pool=pool, work=tmp_path / "work"
        ),
    )


def query(name: str, wanted: int = 4) -> Query:
    return Query(name, f"A photo of a {name}.", f"A {name}.", wanted, subject=name)


def alike(answer: Sequence[Candidate]) -> list[Candidate]:
    """Return candidates without their scores."""
    return [dataclasses.replace(one, similarity=0.0) for one in answer]


QUERIES = [query("cat"), query("dog", 2), query("crane", 9)]


def test_every_backend_has_a_source_here() -> None:
    """A new one says in ``SOURCES`` how one of its sources is made."""
    assert SOURCES.keys() == BACKENDS.keys()


@every
def test_it_does_what_its_settings_promise(name: str, opened: Opened) -> None:
    """And what it promises is all that it does: a capability that is not promised is one that no stage uses."""
    kept = promised(opened.settings)
    assert all(isinstance(opened.backend, protocol) for protocol in kept)
    assert Delivers.FEATURES not in opened.settings.delivers or opened.settings.takes_features


@every
def test_answers_are_best_first_and_no_more_than_wanted(name: str, opened: Opened) -> None:
    """One answer a query, each candidate with the query it answers, once; no query, no answer."""
    answers = opened.backend.search(QUERIES)
    assert any(answers)
    for asked, answer in zip(QUERIES, answers, strict=True):
        assert len(answer) <= asked.wanted
        assert [one.similarity for one in answer] == sorted((one.similarity for one in answer), reverse=True)
        assert {(one.class_name, one.prompt, one.query) for one in answer} <= {
            (asked.class_name, asked.prompt, asked.text)
        }
        assert len({one.item for one in answer}) == len(answer)
        assert all(one.source and one.item for one in answer)
    assert opened.backend.search([]) == []


@every
def test_an_answer_depends_on_its_class_alone(name: str, opened: Opened) -> None:
    """Not on the classes that are asked for beside it, nor on what was asked before."""
    together = opened.backend.search(QUERIES)
    alone = [opened.backend.search([asked])[0] for asked in QUERIES]
    for other in (alone, opened.backend.search(QUERIES[::-1])[::-1]):
        assert [*map(alike, other)] == [*map(alike, together)]
        scores = [[one.similarity for answer in answers for one in answer] for answers in (other, together)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)  # products of other shapes round otherwise


@every
def test_what_is_found_can_be_had(name: str, opened: Opened) -> None:
    """As bytes, as a file, behind a link where it says that it delivers links, or as features; and it survives its table."""
    answers = [one for answer in opened.backend.search(QUERIES) for one in answer]
    delivers = opened.settings.delivers
    for one in answers:
        linked = one.url is not None and (Delivers.LINKS in delivers or name == "demo")
        assert one.image is not None or one.path is not None or linked or Delivers.FEATURES in delivers


@every
def test_candidates_survive_their_file(name: str, opened: Opened, tmp_path: Path) -> None:
    """What the stage ``search`` keeps is what was found."""
    answers = [one for answer in opened.backend.search(QUERIES) for one in answer]
    write_candidates(tmp_path / "candidates.parquet", answers)
    assert read_candidates(tmp_path / "candidates.parquet") == answers


@every
def test_features_are_searched_as_texts_are(name: str, opened: Opened) -> None:
    """Where features are taken, those of the queries give what the queries give."""
    if not opened.settings.takes_features:
        return
    assert isinstance(opened.backend, SearchesVectors)
    by_features = opened.backend.search_vectors(QUERIES, vectors([asked.text for asked in QUERIES]))
    assert [[one.item for one in answer] for answer in by_features] == [
        [one.item for one in answer] for answer in opened.backend.search(QUERIES)
    ]


@every
def test_captions_and_features_are_those_of_the_source(name: str, opened: Opened) -> None:
    """All captions, or an even sample; all features, in parts; unit rows of candidates; sentences beside their own rows."""
    backend, delivers = opened.backend, opened.settings.delivers
    if Delivers.CAPTIONS in delivers:
        assert isinstance(backend, GivesCaptions)
        assert sorted(str(text) for text in backend.captions(100)) == sorted(CAPTIONS)
        some = backend.captions(4)
        assert 0 < len(some) <= 4
        assert set(some) <= set(CAPTIONS)
    if Delivers.FEATURES in delivers:
        assert isinstance(backend, GivesFeatures)
        answer = backend.search(QUERIES)[2]
        rows = backend.features(answer)
        assert rows.dtype == torch.float32
        expected = ENCODER.encode_texts([str(one.caption) for one in answer])
        torch.testing.assert_close(rows, expected, rtol=0, atol=1e-5)
    if Delivers.WHOLE in delivers:
        assert isinstance(backend, GivesParts)
        parts = np.concatenate([np.asarray(part) for part in backend.feature_parts()])
        assert parts.shape == (len(CAPTIONS), ENCODER.dim)
        if Delivers.CAPTIONS in delivers:
            assert isinstance(backend, GivesCaptionedSample)
            features, captions = backend.captioned_sample()
            assert features.dtype == np.float32
            np.testing.assert_allclose(features, vectors([str(text) for text in captions]), atol=1e-5)


@every
def test_its_identity_tells_its_content(name: str, tmp_path: Path, stack: ExitStack) -> None:
    """It goes into keys as JSON; the same source has the same, and other captions another."""
    before = backend_settings(section(name, tmp_path / "source", CAPTIONS, stack)).identity(IDENTITY)
    assert json.loads(json.dumps(before)) == before
    if name in BLIND:
        return
    again = backend_settings(section(name, tmp_path / "copy", CAPTIONS, stack)).identity(IDENTITY)
    assert again == before or name in {
        "lance",
        "auto",
    }  # a Lance data set is told by its versions, not by its rows
    changed = [*CAPTIONS[:-1], "a heron"]
    other = backend_settings(section(name, tmp_path / "source", changed, stack)).identity(IDENTITY)
    assert other != before


BACKEND = '''
import json
from pathlib import Path
from typing import ClassVar, Literal

from susx.images.retrieve import Candidate
from susx.images.retrieve.backends import BackendSettings, Delivers
from susx.images.retrieve.backends.backend import even_places, existing_path
from susx.store import FileDigests, digest_json

_digests = FileDigests()


class SidecarsSettings(BackendSettings):
    """Images with a JSON file beside each: {"caption": ..., "image": ...}."""

    delivers: ClassVar[frozenset[Delivers]] = frozenset({Delivers.CAPTIONS})
    backend: Literal["sidecars"] = "sidecars"
    sidecars: str | None = None

    def identity(self, encoder):
        folder = existing_path("sidecars", "sidecars", self.sidecars)
        return {"backend": "sidecars", "content": digest_json({p.name: _digests(p) for p in sorted(folder.iterdir())})}

    def open(self, opening):
        return Sidecars(existing_path("sidecars", "sidecars", self.sidecars))


class Sidecars:
    def __init__(self, folder):
        self.rows = []
        for file in sorted(folder.glob("*.json")):
            row = json.loads(file.read_text())
            self.rows.append((row["caption"], folder / row["image"]))

    def search(self, queries):
        return [self._find(query) for query in queries]

    def captions(self, most):
        return [self.rows[place][0] for place in even_places(len(self.rows), most)]

    def _find(self, query):
        return [
            Candidate(query.class_name, query.prompt, query.text, f"{path}:{_digests(path)}", 1.0, path=str(path), caption=caption, source="sidecars")
            for caption, path in self.rows
            if query.subject in caption
        ][: query.wanted]
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package on the path whose entry point offers a backend; forgotten afterwards."""
    facts = tmp_path / "site" / "sidecars-1.0.dist-info"
    facts.mkdir(parents=True)
    (tmp_path / "site" / "sidecars_backend.py").write_text(BACKEND)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: sidecars\nVersion: 1.0\n")
    entry = facts / "entry_points.txt"
    entry.write_text("[susx.backends]\nsidecars = sidecars_backend:SidecarsSettings\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    known_backends.cache_clear()
    yield entry
    known_backends.cache_clear()
    sys.modules.pop("sidecars_backend", None)


def sidecars(folder: Path) -> RetrievalConfig:
    folder.mkdir()
    for at, caption in enumerate(CAPTIONS):
        (folder / f"{at:02}.png").write_bytes(b"%d" % at)
        (folder / f"{at:02}.json").write_text(json.dumps({"caption": caption, "image": f"{at:02}.png"}))
    return RetrievalConfig.model_validate({"backend": "sidecars", "sidecars": str(folder)})


def test_a_backend_of_another_package_is_searched(plugin: Path, tmp_path: Path) -> None:
    """One entry point; another picture under the same name is another candidate, so that it is fetched again."""
    config = sidecars(tmp_path / "pool")
    before = open_backend(config, ENCODER).search([query("dog")])[0]
    assert [one.caption for one in before] == [f"a dog number {number}" for number in range(4)]
    known = backend_settings(config).identity(IDENTITY)
    (tmp_path / "pool" / "01.png").write_bytes(b"another")
    assert backend_settings(config).identity(IDENTITY) != known
    after = open_backend(config, ENCODER).search([query("dog")])[0]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True, True, True]


def test_one_that_breaks_its_promise_is_refused_when_it_is_opened(plugin: Path, tmp_path: Path) -> None:
    """By its name and what it lacks, before a stage asks for it."""
    module = tmp_path / "site" / "sidecars_backend.py"
    module.write_text(BACKEND.replace("def captions", "def caption"))
    with pytest.raises(
        ConfigError, match="'sidecars' promises what it does not do: Sidecars keeps no GivesCaptions"
    ):
        open_backend(sidecars(tmp_path / "pool"), ENCODER)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sidecars = sidecars_backend:Sidecars", "no BackendSettings whose 'backend' is 'sidecars'"),
        ("others = sidecars_backend:SidecarsSettings", "no BackendSettings whose 'backend' is 'others'"),
        ("urls = sidecars_backend:SidecarsSettings", "has the name of a known backend"),
        ("sidecars = sidecars_lost:Settings", "cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_an_offer_that_is_no_backend_is_refused(plugin: Path, line: str, words: str) -> None:
    """With the package's own line."""
    plugin.write_text(f"[susx.backends]\n{line}\n")
    known_backends.cache_clear()
    with pytest.raises(ConfigError, match=words):
        known_backends()
