"""A prepared list of links: ranked by caption, or by embedding after a real download."""

import numpy as np
import pandas as pd
import pytest

from susx.config import DownloadConfig, RetrievalConfig
from susx.errors import ConfigError, InputError, RetrievalError
from susx.images.retrieve import open_backend, queries_for
from susx.images.retrieve.backends.features import FeaturePoolBackend
from susx.records import Prompt
from susx.testing.encoders import WordEncoder
from susx.testing.http_images import ImageServer

ROWS = [
    ("http://x/1", "a striped zebra in the grass", "cc0", "UNLIKELY"),
    ("http://x/2", "two zebras, and a lion", "by", "UNLIKELY"),
    ("http://x/3", "a lion asleep", "by", "NSFW"),
    ("http://x/3", "a lion asleep, again", "by", "NSFW"),
    ("", "a lion without a link", "", ""),
]


def query(text, wanted=9, name="k"):
    return queries_for(name, [Prompt(name, text, "photo", 0)], None, wanted, over_fetch=1)[0]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_captions_rank_the_links(tmp_path, suffix):
    """Links whose captions share words with the query come, best first, with licence and NSFW column."""
    table = pd.DataFrame(ROWS, columns=["URL", "TEXT", "LICENSE", "NSFW"])
    path = tmp_path / f"list.{suffix}"
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
    backend = open_backend(RetrievalConfig(backend="urls", urls=str(path)), WordEncoder())
    # The second caption shares "asleep" with both queries; only the subject makes it a candidate.
    lion, none = backend.search(
        [query("A photo of a lion asleep.", name="lion"), query("An asleep teapot.", name="teapot")]
    )
    assert [c.url for c in lion] == ["http://x/3", "http://x/2"]
    assert none == []
    assert (lion[0].licence, lion[0].nsfw, lion[0].caption) == ("by", "NSFW", "a lion asleep")


def test_a_plural_is_a_match(tmp_path):
    """Captions in singular or plural match the subject's words."""
    pd.DataFrame(ROWS, columns=["url", "caption", "LICENSE", "NSFW"]).to_csv(
        tmp_path / "list.csv", index=False
    )
    backend = open_backend(RetrievalConfig(backend="urls", urls=str(tmp_path / "list.csv")), WordEncoder())
    one, many = backend.search([query(f"A photo of {n}.", name=n) for n in ("zebra", "zebras")])
    assert {c.url for c in one} >= {"http://x/1"}
    assert {c.url for c in many} >= {"http://x/2"}


def test_bad_lists_are_named(tmp_path):
    """No file, no column url, no captions, no words and no rows are told apart."""
    with pytest.raises(ConfigError, match=r"retrieval\.urls"):
        open_backend(RetrievalConfig(backend="urls"), WordEncoder())
    cases = {
        "uri,caption\nhttp://x,a\n": (InputError, "no column 'url'"),
        "url\nhttp://x\n": (RetrievalError, "no captions"),
        "url,caption\n": (RetrievalError, "no links"),
        "url,caption\nhttp://x,the\n": (RetrievalError, "no words"),
    }
    for text, (kind, match) in cases.items():
        (tmp_path / "list.csv").write_text(text)
        with pytest.raises(kind, match=match):
            open_backend(
                RetrievalConfig(backend="urls", urls=str(tmp_path / "list.csv")), WordEncoder()
            ).search([query("x")])


def test_embeddings_rank_what_could_be_downloaded(tmp_path):
    """With rank embedding the images are fetched once, the dead links drop out, and captions are not needed."""
    with ImageServer() as server:
        urls = [server.url(f"ok/{n}.jpg") for n in range(6)] + [server.url("404"), server.url("html")]
        pd.DataFrame({"url": urls}).to_csv(tmp_path / "list.csv", index=False)
        config = RetrievalConfig(backend="urls", urls=str(tmp_path / "list.csv"), rank="embedding")
        download = DownloadConfig(allow_private=True, retries=0)
        encoder = WordEncoder()
        with pytest.raises(ConfigError, match="folder"):
            open_backend(config, encoder, download=download)
        for _ in range(2):
            backend = open_backend(config, encoder, download=download, work=tmp_path / "work")
            (found,) = backend.search([query("a photo")])
        assert {c.url for c in found} == set(urls[:6])
        assert [c.similarity for c in found] == sorted((c.similarity for c in found), reverse=True)
        assert set(server.requests.values()) == {1}


def test_a_feature_pool_gives_the_exact_neighbours(tmp_path):
    """Pool rows are found by cosine over blocks; their features come back normalised."""
    encoder = WordEncoder()
    words = [f"w{n}" for n in range(300)]
    np.save(tmp_path / "features.npy", (encoder.encode_texts(words) * 3).numpy().astype(np.float16))
    pd.DataFrame({"caption": words}).to_csv(tmp_path / "rows.csv", index=False)
    backend = FeaturePoolBackend(tmp_path, encoder)
    (found,) = backend.search([query("w7 w9", 5)])
    assert {found[0].caption, found[1].caption} == {"w7", "w9"}
    assert len(found) == 5
    assert np.allclose(backend.features(found).norm(dim=1), 1, atol=1e-5)
    features = np.load(tmp_path / "features.npy")
    features[41] = np.nan
    np.save(tmp_path / "features.npy", features)
    with pytest.raises(InputError, match="first: row 41"):
        FeaturePoolBackend(tmp_path, encoder).search([query("w7 w9", 5)])
    with pytest.raises(RetrievalError, match="no feature pool"):
        FeaturePoolBackend(tmp_path / "none", encoder)
