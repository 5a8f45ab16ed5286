"""The local index backend: the right rows with the right metadata, and refusals that say what is wrong."""

import io
import json
import tarfile

import faiss
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from susx.config import ClassHints, DownloadConfig, RetrievalConfig
from susx.encoder_id import EncoderId
from susx.errors import ConfigError, InputError, MismatchError, RetrievalError
from susx.images.retrieve import open_backend, queries_for, search
from susx.images.retrieve.backends.index import IndexBackend, IndexSettings
from susx.images.retrieve.backends.metadata import IndexMetadata
from susx.images.retrieve.index_build import build_index
from susx.images.retrieve.index_manifest import IndexManifest
from susx.records import Prompt
from susx.testing.encoders import WordEncoder
from susx.testing.http_images import ImageServer, encoded, random_picture

IDENTITY = EncoderId("words", "d" * 64, "fp32")
WORDS = [f"word{n}" for n in range(57)]


def make_index(folder, encoder, *, manifest=True, rows=None):
    (folder / "metadata").mkdir(parents=True)
    vectors = encoder.encode_texts(WORDS).numpy()
    index = faiss.IndexFlatIP(encoder.dim)
    index.add(vectors)
    faiss.write_index(index, str(folder / "image.index"))
    table = pd.DataFrame(
        {"url": [f"http://x/{w}" for w in WORDS], "caption": WORDS, "NSFW": "UNLIKELY", "LICENSE": "cc0"}
    )[:rows]
    table[:20].to_parquet(folder / "metadata" / "metadata_0.parquet", row_group_size=7)
    table[20:].to_parquet(folder / "metadata" / "metadata_1.parquet")
    if manifest:
        IndexManifest(
            encoder.identity.model, encoder.identity.digest, encoder.dim, len(WORDS), {}, "c" * 64, "images"
        ).write(folder)
    return vectors


def query(text, wanted, hints=None):
    return queries_for("k", [Prompt("k", text, "photo", 0)], hints, wanted, over_fetch=1)[0]


def test_a_batch_of_queries_finds_the_exact_neighbours(tmp_path):
    """Results equal a brute-force search, across metadata files and row groups, cut to what each query wants."""
    encoder = WordEncoder()
    vectors = make_index(tmp_path, encoder)
    backend = open_backend(RetrievalConfig(backend="index", folder=str(tmp_path)), encoder)
    queries = [query(f"{word} and word3", 3 + n) for n, word in enumerate(WORDS)]
    for asked, found in zip(queries, backend.search(queries), strict=True):
        truth = np.argsort(-(vectors @ encoder.encode_texts([asked.text]).numpy()[0]))[: asked.wanted]
        assert [c.caption for c in found] == [WORDS[n] for n in truth]
        assert found[0].url == found[0].item == f"http://x/{found[0].caption}"
        assert (found[0].licence, found[0].nsfw, found[0].class_name) == ("cc0", "UNLIKELY", "k")


def test_excluded_captions_are_dropped(tmp_path):
    """A caption with an excluded word never becomes a candidate."""
    encoder = WordEncoder()
    make_index(tmp_path, encoder)
    backend = IndexBackend(tmp_path, encoder)
    (found,) = search(backend, [query("word5", 4, ClassHints(exclude=("word5",)))])
    assert len(found) == 3
    assert "word5" not in {c.caption for c in found}


def test_another_encoder_is_refused_by_name(tmp_path):
    """The error names the index's encoder and the profile's."""
    make_index(tmp_path, WordEncoder())
    with pytest.raises(MismatchError, match=r"'word-encoder'.*'other'"):
        IndexBackend(tmp_path, WordEncoder(name="other"))


def test_another_width_is_refused_without_a_manifest(tmp_path):
    """A foreign index is usable when it fits, and refused when the features' widths differ."""
    make_index(tmp_path, WordEncoder(), manifest=False)
    assert (
        IndexBackend(tmp_path, WordEncoder(name="other")).search([query("word1", 1)])[0][0].caption == "word1"
    )
    with pytest.raises(MismatchError, match="width 32"):
        IndexBackend(tmp_path, WordEncoder(dim=8)).search([query("word1", 1)])


def test_damaged_or_foreign_folders_are_diagnosed(tmp_path):
    """No index, too little metadata, a torn manifest and a torn index are four different messages."""
    with pytest.raises(RetrievalError, match=r"no image.index"):
        IndexBackend(tmp_path, WordEncoder())
    make_index(tmp_path / "short", WordEncoder(), rows=50)
    with pytest.raises(RetrievalError, match="57 images but its metadata has 50"):
        IndexBackend(tmp_path / "short", WordEncoder())
    (tmp_path / "short" / "susx_index.json").write_text(json.dumps({"x": 1}))
    with pytest.raises(RetrievalError, match="not a manifest"):
        IndexBackend(tmp_path / "short", WordEncoder())
    make_index(tmp_path / "torn", WordEncoder())
    data = (tmp_path / "torn" / "image.index").read_bytes()
    (tmp_path / "torn" / "image.index").write_bytes(data[:100])
    with pytest.raises(RetrievalError, match="faiss cannot read"):
        IndexBackend(tmp_path / "torn", WordEncoder())
    with pytest.raises(ConfigError, match=r"retrieval\.folder"):
        open_backend(RetrievalConfig(backend="index"), WordEncoder())


def pictures(colours):
    """JPEGs of one colour each, which the encoder below tells apart by their mean."""
    return {name: encoded(Image.new("RGB", (48, 40), name)) for name in colours}


class MeanEncoder:
    """Encodes an image as its mean colour."""

    identity, batch_size = EncoderId("mean-colour", "c" * 64), 8

    def encode_images(self, images):
        """Return the mean colours as unit rows."""
        means = [np.asarray(Image.open(p).convert("RGB"), np.float32).mean((0, 1)) + 1 for p in images]
        return torch.nn.functional.normalize(torch.tensor(np.stack(means)), dim=1)


def tar_of(path, images):
    """A WebDataset shard: image, caption and metadata of each sample, and one sample without an image."""
    with tarfile.open(path, "w") as tar:
        for key, (name, data) in enumerate(images.items()):
            parts = {
                "jpg": data,
                "txt": f"a {name} card".encode(),
                "json": json.dumps({"license": "cc0"}).encode(),
            }
            for kind, content in parts.items():
                entry = tarfile.TarInfo(f"{key:05d}.{kind}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        lone = tarfile.TarInfo("99999.txt")
        lone.size = 4
        tar.addfile(lone, io.BytesIO(b"none"))


def rows_of(folder):
    """Caption, licence and URL of every row of an index."""
    metadata = IndexMetadata(folder)
    rows = metadata.get(list(range(metadata.rows)))
    return sorted(zip(rows.caption, rows.licence, rows.url, strict=True))


def test_an_index_of_tar_files(tmp_path):
    """Captions, licences and sample names arrive; what is broken is counted; a tar that changed is indexed anew."""
    images = pictures(["red", "green", "blue"]) | {"cut": encoded(random_picture(3))[:400]}
    tar_of(tmp_path / "a.tar", images)
    made = build_index(tmp_path / "index", MeanEncoder(), tars=str(tmp_path / "*.tar"), tool="susx")
    assert (made.rows, made.source, made.rejected) == (3, "tars", {"no-image": 1, "truncated": 1})
    assert rows_of(tmp_path / "index") == [
        ("a blue card", "cc0", "a.tar#00002"), ("a green card", "cc0", "a.tar#00001"), ("a red card", "cc0", "a.tar#00000"),
    ]  # fmt: skip
    tar_of(tmp_path / "a.tar", pictures(["yellow", "red"]))
    again = build_index(tmp_path / "index", MeanEncoder(), tars=str(tmp_path / "*.tar"), tool="susx")
    assert again.rows == 2
    assert again.content != made.content
    vectors = np.load(next((tmp_path / "index" / "img_emb").glob("*.npy")))
    captions = IndexMetadata(tmp_path / "index").get([0, 1]).caption
    yellow = vectors[list(captions).index("a yellow card")]
    assert yellow[1] > 0.6
    with pytest.raises(InputError, match="No file matches"):
        build_index(tmp_path / "index", MeanEncoder(), tars=str(tmp_path / "*.zip"), tool="susx")


def test_an_index_of_links(tmp_path):
    """Links are downloaded once; captions and addresses arrive; dead links are counted by reason."""
    with ImageServer(list(pictures(["red", "green", "blue"]).values())) as server:
        links = [server.url(f"ok/{n}.jpg") for n in range(3)] + [
            server.url("404/1.jpg"),
            server.url("html/2.jpg"),
        ]
        table = pd.DataFrame({"url": links, "caption": [f"card {n}" for n in range(5)]})
        table.to_parquet(tmp_path / "links.parquet")
        config = DownloadConfig(allow_private=True, retries=0)
        for _ in range(2):
            made = build_index(
                tmp_path / "index",
                MeanEncoder(),
                urls=tmp_path / "links.parquet",
                download=config,
                tool="susx",
            )
        assert (made.rows, made.source) == (3, "urls")
        assert made.rejected == {"dead-link": 1, "not-an-image": 1}
        assert [(caption, url) for caption, _, url in rows_of(tmp_path / "index")] == [
            (f"card {n}", links[n]) for n in range(3)
        ]
        assert set(server.requests.values()) == {1}


def test_the_identity_follows_the_content(tmp_path):
    """Two folders with one content have one identity, manifest or not; another content has another."""
    for name in ("a", "b"):
        make_index(tmp_path / name, WordEncoder(), manifest=False)
    make_index(tmp_path / "c", WordEncoder(dim=8), manifest=False)
    ids = [IndexSettings(folder=str(tmp_path / n)).identity(IDENTITY) for n in "abc"]
    assert ids[0] == ids[1] != ids[2]


def test_an_index_of_distances_ranks_and_scores_as_one_of_products(tmp_path):
    """Squared distances of unit rows become their cosines; nearest first, best similarity first."""
    encoder = WordEncoder()
    vectors = make_index(tmp_path, encoder)
    asked = [query("word7 and word3", 9)]
    (products,) = IndexBackend(tmp_path, encoder).search(asked)
    index = faiss.IndexFlatL2(encoder.dim)
    index.add(vectors)
    faiss.write_index(index, str(tmp_path / "image.index"))
    (distances,) = IndexBackend(tmp_path, encoder).search(asked)
    assert [c.caption for c in distances[:2]] == [c.caption for c in products[:2]]
    scores = [c.similarity for c in distances]
    assert scores == sorted(scores, reverse=True)
    assert np.allclose(scores, [c.similarity for c in products], atol=1e-5)


def test_an_index_of_another_metric_is_refused(tmp_path):
    """What is neither a product nor a distance of unit rows cannot be ranked, and is named."""
    encoder = WordEncoder()
    vectors = make_index(tmp_path, encoder)
    index = faiss.IndexFlat(encoder.dim, faiss.METRIC_L1)
    index.add(vectors)
    faiss.write_index(index, str(tmp_path / "image.index"))
    with pytest.raises(RetrievalError, match="expected the inner product or L2"):
        IndexBackend(tmp_path, encoder)


def test_features_of_another_number_of_images_are_refused(tmp_path):
    """A part of img_emb that was not copied: statistics and captions would be paired with other rows."""
    encoder = WordEncoder()
    make_index(tmp_path, encoder)
    rows = IndexMetadata(tmp_path).rows
    (tmp_path / "img_emb").mkdir(exist_ok=True)
    for file in (tmp_path / "img_emb").glob("*.npy"):
        file.unlink()
    dim = encoder.encode_texts(["word1"]).shape[1]
    np.save(tmp_path / "img_emb" / "img_emb_0.npy", np.ones((rows - 2, dim), np.float32))
    backend = IndexBackend(tmp_path, encoder)
    for read in (lambda: list(backend.feature_parts()), backend.captioned_sample):
        with pytest.raises(RetrievalError, match=rf"holds {rows} images, and img_emb.* of {rows - 2}"):
            read()
