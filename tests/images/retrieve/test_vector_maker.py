"""Vectors of another encoder: its text tower finds, where it is told and can be loaded; a sentence says why words are searched else."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from susx.config import EncoderConfig, RetrievalConfig
from susx.errors import ConfigError, RetrievalError
from susx.features.encoder import Encoder, load_encoder
from susx.images.retrieve import Candidate, Query, search
from susx.images.retrieve.backends import backend_settings
from susx.images.retrieve.backends.backend import Opening
from susx.images.retrieve.backends.vector_maker import told_maker
from susx.testing.collections import pictures
from susx.testing.encoders import WordEncoder, random_clip

lancedb = pytest.importorskip("lancedb")

CLASSES = ["banded", "dotted", "grid", "woven"]
EMBEDDED = EncoderConfig(model="susx-tiny")


@pytest.fixture(scope="module")
def maker() -> Encoder:
    return load_encoder(EMBEDDED)


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> EncoderConfig:
    return random_clip(tmp_path_factory.mktemp("random"))


def made(folder: Path, vectors: np.ndarray, *, captions: bool = True, functions: Any = None) -> str:
    """Write a data set whose captions name the classes of every second picture; return its folder."""
    shown = pictures(CLASSES, 8)
    columns: dict[str, Any] = {
        "image": [one.image for one in shown], "page": [one.page for one in shown],
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float32).ravel()), vectors.shape[1]),
    }  # fmt: skip
    if captions:
        columns["caption"] = [one.caption if at % 2 else f"IMG {at}" for at, one in enumerate(shown)]
    table = pa.table(columns)
    if functions is not None:
        told = functions if isinstance(functions, bytes) else json.dumps(functions).encode()
        table = table.replace_schema_metadata({b"embedding_functions": told})
    lancedb.connect(str(folder)).create_table("t", table)
    return str(folder)


def vectors_of(encoder: Encoder) -> np.ndarray:
    return encoder.encode_images([Image.open(io.BytesIO(one.image)) for one in pictures(CLASSES, 8)]).numpy()


def found(data: str, **settings: object) -> list[Candidate]:
    """Return eight candidates of ``banded`` for an encoder that made none of the vectors."""
    section = RetrievalConfig.model_validate({"backend": "lance", "data": data, **settings})
    opened = backend_settings(section).open(Opening(WordEncoder()))
    return search(opened, [Query("banded", "banded", "a banded texture", 8, subject="banded")])[0]


def told_by_lancedb(model: str, pretrained: str = "", *, name: str = "open-clip", vector: str = "vector") -> list[dict[str, Any]]:  # fmt: skip
    return [
        {"name": name, "model": {"name": model, "pretrained": pretrained}, "source_column": "image", "vector_column": vector},
    ]  # fmt: skip


@pytest.mark.parametrize("captions", [True, False])
@pytest.mark.parametrize("told", ["by the person", "by the table"])
def test_the_maker_s_text_tower_finds(tmp_path: Path, maker: Encoder, told: str, captions: bool) -> None:
    """The nearest rows to the sentence as the maker encodes it, whatever captions say, with their cosines."""
    vectors = vectors_of(maker)
    by_table = told == "by the table"
    data = made(
        tmp_path, vectors, captions=captions, functions=told_by_lancedb("susx-tiny-clip") if by_table else None
    )  # fmt: skip
    candidates = found(data, **({} if by_table else {"made_by": {"model": "susx-tiny"}}))
    cosines = vectors @ maker.encode_texts(["banded"]).numpy()[0]
    best = np.argsort(-cosines)[:8]
    assert {one.page for one in candidates} == {pictures(CLASSES, 8)[at].page for at in best}
    assert [one.similarity for one in candidates] == pytest.approx(
        np.sort(cosines)[::-1][:8].tolist(), abs=1e-5
    )


def test_an_encoder_of_open_clip_s_with_weights_by_path(tmp_path: Path, random_weights: EncoderConfig) -> None:  # fmt: skip
    """Random weights know nothing; what is nearest by them is found all the same."""
    other = load_encoder(random_weights)
    vectors = vectors_of(other)
    candidates = found(made(tmp_path, vectors), made_by=random_weights.model_dump())
    best = np.argsort(-(vectors @ other.encode_texts(["banded"]).numpy()[0]))[:8]
    assert {one.page for one in candidates} == {pictures(CLASSES, 8)[at].page for at in best}


def test_what_lancedb_itself_writes_is_read(tmp_path: Path) -> None:
    """Its function ``open-clip`` on a column of images: the table tells the model, and of a path nothing is loaded."""
    from lancedb.embeddings import get_registry
    from lancedb.pydantic import LanceModel, Vector

    from susx.demo.embedded_encoder import register

    name, weights = register()
    clip = get_registry().get("open-clip").create(name=name, pretrained=weights)

    class Row(LanceModel):  # type: ignore[misc]
        image: bytes = clip.SourceField()
        vector: Vector(clip.ndims()) = clip.VectorField()  # type: ignore[valid-type]

    table = lancedb.connect(str(tmp_path)).create_table("t", schema=Row)
    metadata = table.to_lance().schema.metadata
    assert told_maker(None, metadata, "vector") == EncoderConfig(model=name)
    assert told_maker(None, metadata, "other") is None
    assert told_maker(EMBEDDED, metadata, "vector") is EMBEDDED


BY_WORDS = [
    ("another function", told_by_lancedb("", name="siglip"), {}, "lancedb's function 'siglip', which is no encoder of open_clip's"),
    ("not published", told_by_lancedb("ViT-B-32", "/home/me/w.pt"), {}, "weights '/home/me/w.pt', which open_clip does not publish"),
    ("of another width", told_by_lancedb("susx-tiny"), {"dim": 16}, "a width of 16; the encoder susx-tiny, which is said to have made them"),
    ("of another encoder", told_by_lancedb("susx-tiny"), {}, "do not have the vectors that the encoder susx-tiny"),
    ("weights that are gone", None, {"made_by": {"model": "ViT-B-32", "pretrained": "/gone/w.pt"}}, "cannot be loaded: .*/gone/w.pt, which is not there"),
    ("an unknown model", None, {"made_by": {"model": "ViT-B-33", "pretrained": "openai"}}, "cannot be loaded: open_clip knows no architecture"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("functions", "settings", "words"), [row[1:] for row in BY_WORDS], ids=[row[0] for row in BY_WORDS]
)
def test_words_where_it_cannot_be_asked(
    functions: Any, settings: dict[str, Any], words: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, maker: Encoder
) -> None:  # fmt: skip
    """One sentence says why, once; captions are searched. Without captions it is part of the refusal."""
    dim = settings.get("dim", maker.dim)
    settings = {name: value for name, value in settings.items() if name != "dim"}
    vectors = np.random.default_rng(3).standard_normal((8 * len(CLASSES), dim))
    data = made(tmp_path / "a", vectors, functions=functions)
    with caplog.at_level(logging.WARNING):
        candidates = found(data, **settings)
    assert len(candidates) == 4
    assert all(one.caption and "banded" in one.caption for one in candidates)
    [said] = [one for one in caplog.messages if "searched by words, not by its vectors" in one]
    with pytest.raises(RetrievalError, match=words) as refused:
        found(made(tmp_path / "b", vectors, captions=False, functions=functions), **settings)
    assert "neither captions nor labels" in str(refused.value)
    assert str(refused.value).split("'word-encoder'. ")[1].split(" Use the encoder that")[0] in said


@pytest.mark.parametrize(
    "told", [b"", b"{", b"[]", b"null", b"[1]", b'[{"name": "open-clip"}]', b'[{"name": "open-clip", "model": 3, "vector_column": "vector"}]', b"[" * 100_000]
)  # fmt: skip
def test_a_table_that_says_nonsense_says_nothing(
    told: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert told_maker(None, {b"embedding_functions": told}, "vector") is None
    vectors = np.random.default_rng(3).standard_normal((32, 16))
    with caplog.at_level(logging.WARNING):
        assert len(found(made(tmp_path, vectors, functions=told))) == 4
    assert not [one for one in caplog.messages if "by words" in one]


def test_the_maker_is_part_of_what_the_source_is(
    tmp_path: Path, maker: Encoder, random_weights: EncoderConfig
) -> None:
    """Another maker finds others, and one that is to be had again is asked again; with ours or none it is refused as without effect."""
    data = made(tmp_path, vectors_of(maker))

    def identity(**settings: object) -> object:
        section = RetrievalConfig.model_validate({"backend": "lance", "data": data, **settings})
        return backend_settings(section).identity(WordEncoder().identity)

    gone = {"model": random_weights.model, "pretrained": "/gone/w.pt"}
    said = [identity(), identity(made_by={"model": "susx-tiny"}), identity(made_by=random_weights.model_dump()), identity(made_by=gone)]  # fmt: skip
    assert len({json.dumps(one, sort_keys=True) for one in said}) == 4
    assert identity(made_by={"model": "susx-tiny", "device": "cpu"}) == said[1]
    with pytest.raises(
        ConfigError, match=r"retrieval\.made_by names another encoder, and retrieval\.vectors=none"
    ):
        identity(made_by={"model": "susx-tiny"}, vectors="none")
