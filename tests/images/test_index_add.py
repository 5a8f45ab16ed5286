"""Published embeddings as an index: every layout gives the same answers, and what does not fit leaves nothing behind."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from susx.config import RetrievalConfig
from susx.errors import InputError, MismatchError, RetrievalError, StoreError
from susx.images.retrieve import open_backend, queries_for
from susx.images.retrieve.backends.exact_index import ExactIndex
from susx.images.retrieve.backends.index import open_index
from susx.images.retrieve.index_add import Added, add_index
from susx.images.retrieve.index_manifest import IndexManifest
from susx.records import Prompt
from susx.testing.encoders import WordEncoder

ENCODER = WordEncoder()
CAPTIONS = [f"word{n} of row {n}" for n in range(57)]
VECTORS = ENCODER.encode_texts(CAPTIONS).numpy()
TABLE = pd.DataFrame({"URL": [f"http://x/{n}.jpg" for n in range(57)], "TEXT": CAPTIONS, "LICENSE": "cc0"})


def clip_retrieval(folder: Path) -> dict[str, Path | str]:
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    for part, rows in enumerate((slice(0, 20), slice(20, 57))):
        np.save(folder / "img_emb" / f"img_emb_{part}.npy", VECTORS[rows].astype(np.float16))
        TABLE[rows].to_parquet(folder / "metadata" / f"metadata_{part}.parquet", row_group_size=7)
    return {"source": folder}


def parquet(folder: Path) -> dict[str, Path | str]:
    folder.mkdir()
    for part, rows in enumerate((slice(0, 20), slice(20, 57))):
        table = TABLE[rows].assign(embedding=list(7.5 * VECTORS[rows]))
        table.to_parquet(folder / f"{part}.parquet", row_group_size=8)
    return {"source": folder}


def fixed_size(folder: Path) -> dict[str, Path | str]:
    folder.mkdir()
    lists = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.ravel()), VECTORS.shape[1])
    table = pa.Table.from_pandas(TABLE).append_column("clip", lists).append_column("other", lists)
    pq.write_table(table, folder / "all.parquet")
    return {"source": folder / "all.parquet", "embedding": "clip"}


def npy(folder: Path) -> dict[str, Path | str]:
    folder.mkdir()
    np.save(folder / "features.npy", VECTORS)
    TABLE.to_csv(folder / "rows.csv", index=False)
    return {"source": folder / "features.npy", "rows": folder / "rows.csv"}


def h5(folder: Path) -> dict[str, Path | str]:
    folder.mkdir()
    with h5py.File(folder / "pool.h5", "w") as file:
        file["features"] = VECTORS
        for name in ("URL", "TEXT", "LICENSE"):
            file.create_dataset(name, data=TABLE[name].tolist(), dtype=h5py.string_dtype())
    return {"source": folder / "pool.h5"}


LAYOUTS = [clip_retrieval, parquet, fixed_size, npy, h5]


def add(folder: Path, given: dict, encoder: WordEncoder = ENCODER) -> Added:
    return add_index(folder, encoder, **given)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_searched_as_by_brute_force(layout, tmp_path):
    """The nearest rows with their links, captions and licences; captions tell that the encoder fits."""
    added = add(tmp_path / "pool", layout(tmp_path / "source"))
    assert (added.manifest.rows, added.manifest.dim, added.fits) == (57, ENCODER.dim, True)
    assert added.gain > 0.4
    backend = open_backend(RetrievalConfig(backend="index", folder=str(tmp_path / "pool")), ENCODER)
    asked = [
        queries_for("k", [Prompt("k", f"word{n} row", "photo", 0)], None, 3 + n, over_fetch=1)[0]
        for n in range(4)
    ]
    for query, found in zip(asked, backend.search(asked), strict=True):
        truth = np.argsort(-(VECTORS @ ENCODER.encode_texts([query.text]).numpy()[0]))[: query.wanted]
        assert [c.url for c in found] == [f"http://x/{n}.jpg" for n in truth]
        assert [c.caption for c in found] == [CAPTIONS[n] for n in truth]
        assert {c.licence for c in found} == {"cc0"}
    parts = np.concatenate(list(backend.feature_parts())).astype(np.float32)
    np.testing.assert_allclose(parts, VECTORS, atol=1e-3)


def test_large_files_are_linked(tmp_path):
    """A matrix that can be used as it is takes no second place on the disk."""
    given = clip_retrieval(tmp_path / "source")
    add(tmp_path / "pool", given)
    assert (tmp_path / "pool" / "img_emb" / "img_emb_0.npy").samefile(
        tmp_path / "source" / "img_emb" / "img_emb_0.npy"
    )


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(1, 56), max_size=5), count=st.integers(1, 80))
def test_parts_do_not_matter(cuts, count, tmp_path_factory):
    """However the rows are cut, the same positions are found in the same order."""
    folder = tmp_path_factory.mktemp("parts")
    edges = [0, *sorted(set(cuts)), 57]
    files = []
    for number, (start, stop) in enumerate(pairwise(edges)):
        files.append(folder / f"{number:03d}.npy")
        np.save(files[-1], VECTORS[start:stop])
    index = ExactIndex(files)
    scores, places = index.search(VECTORS[:5], count)
    truth = (VECTORS[:5] @ VECTORS.T).astype(np.float32)
    assert places.shape == (5, min(count, 57))
    np.testing.assert_allclose(scores, -np.sort(-truth, axis=1)[:, :count], atol=1e-5)
    assert places[:, 0].tolist() == list(range(5))
    np.testing.assert_array_equal(index.row(56), VECTORS[56])


def test_embeddings_of_another_encoder_of_equal_width_are_told(tmp_path):
    """Captions are then no nearer to their own images than to others."""
    other = np.random.default_rng(0).standard_normal(VECTORS.shape).astype(np.float32)
    np.save(tmp_path / "features.npy", other)
    TABLE.to_parquet(tmp_path / "rows.parquet")
    added = add(tmp_path / "pool", {"source": tmp_path / "features.npy", "rows": tmp_path / "rows.parquet"})
    assert not added.fits


def spoiled(folder: Path, what: str) -> dict[str, Path | str]:
    given = npy(folder)
    vectors, table = VECTORS.copy(), TABLE
    if what == "nan":
        vectors[31, 2] = np.nan
    elif what == "zero":
        vectors[31] = 0
    elif what == "integers":
        vectors = np.ones((57, 32), np.int64)
    elif what == "pickled":
        vectors = np.array([{"a": 1}] * 57)
    elif what == "flat":
        vectors = vectors.ravel()
    elif what == "rows":
        table = TABLE[:50]
    elif what == "links":
        table = TABLE.drop(columns="URL")
    elif what == "no table":
        del given["rows"]
    elif what == "gone":
        given["source"] = folder / "other.npy"
    elif what == "ending":
        given["source"] = folder / "rows.csv"
    np.save(folder / "features.npy", vectors, allow_pickle=True)
    table.to_csv(folder / "rows.csv", index=False)
    return given


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("nan", "Row 31 of the embeddings is NaN, infinite or zero"),
        ("zero", "Row 31 of the embeddings"),
        ("integers", "real numbers"),
        ("pickled", "cannot be read"),
        ("flat", "matrices of one width"),
        ("rows", "57 embeddings, but 50 rows"),
        ("links", "no column 'url'"),
        ("no table", "--rows"),
        ("gone", "There is no file or folder"),
        ("ending", r"expected a clip-retrieval folder, \.parquet, \.npy or \.h5; found '\.csv'"),
    ],
)
def test_what_does_not_fit_is_one_paragraph_and_leaves_nothing(what, said, tmp_path):
    """Neither the folder nor a part of it."""
    given = spoiled(tmp_path / "source", what)
    with pytest.raises((InputError, RetrievalError), match=said):
        add(tmp_path / "pool", given)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_another_width_is_refused(tmp_path):
    """By both widths, before anything is there."""
    with pytest.raises(MismatchError, match="width 32; the encoder 'word-encoder' makes 48"):
        add(tmp_path / "pool", npy(tmp_path / "source"), WordEncoder(48))
    assert not (tmp_path / "pool").exists()


def test_tables_without_one_column_of_embeddings(tmp_path):
    """The columns are named, or the nearest name."""
    given = fixed_size(tmp_path / "source")
    with pytest.raises(InputError, match=r"found clip, other among URL.*--embedding"):
        add(tmp_path / "pool", {"source": given["source"]})
    with pytest.raises(InputError, match="Did you mean 'clip'"):
        add(tmp_path / "pool", {"source": given["source"], "embedding": "clipp"})
    ragged = TABLE.assign(embedding=[[1.0] * (2 + n % 2) for n in range(57)])
    ragged.to_parquet(tmp_path / "ragged.parquet")
    with pytest.raises(InputError, match="widths"):
        add(tmp_path / "pool", {"source": tmp_path / "ragged.parquet"})


def test_a_folder_in_use_is_left_alone(tmp_path):
    """Whatever is in it."""
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match="there already"):
        add(tmp_path / "pool", npy(tmp_path / "source"))
    assert [path.name for path in (tmp_path / "pool").iterdir()] == ["mine.txt"]


def test_a_faiss_index_beside_the_features_is_used(tmp_path):
    """And the features stay for statistics of the whole pool."""
    import faiss

    given = clip_retrieval(tmp_path / "source")
    index = faiss.IndexFlatIP(ENCODER.dim)
    index.add(VECTORS)
    faiss.write_index(index, str(tmp_path / "source" / "image.index"))
    add(tmp_path / "pool", given)
    assert type(open_index(tmp_path / "pool")).__name__.startswith("IndexFlat")
    assert IndexManifest.read(tmp_path / "pool").tool == "published"


def test_a_faiss_index_of_other_features_is_refused(tmp_path):
    """By both numbers, before a build meets it."""
    import faiss

    given = clip_retrieval(tmp_path / "source")
    index = faiss.IndexFlatIP(ENCODER.dim)
    index.add(VECTORS[:40])
    faiss.write_index(index, str(tmp_path / "source" / "image.index"))
    with pytest.raises(InputError, match="holds 40 rows of width 32, img_emb/ 57 of 32"):
        add(tmp_path / "pool", given)
    assert not (tmp_path / "pool").exists()
