"""The pool on disk: clip-retrieval's layout, and an index that agrees with the pictures."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from susx.children import child_environment
from susx.demo.pool import draw_pool, pool_rows
from susx.demo.pool_index import write_pool_index
from susx.errors import MismatchError
from susx.images.retrieve.packed_images import PackedImages


def thumbnails(jpegs: Sequence[bytes]) -> np.ndarray:
    """A real, if simple, image embedding: the 4 x 4 thumbnail, centred."""
    rows = [
        np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB").resize((4, 4)), np.float32).ravel()
        for jpeg in jpegs
    ]
    return np.stack(rows) - 127.0


def letters(texts: Sequence[str]) -> np.ndarray:
    """Letter counts as a text embedding of the same width."""
    return np.array(
        [[text.count(c) for c in "etaoinshrdlucmfwypvbgkjqxz" + "0123456789 ,.#-abcdefg"] for text in texts]
    )


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool of 120 rows, written in three batches."""
    folder = tmp_path_factory.mktemp("pool")
    write_pool_index(folder, thumbnails, 120, 4, encode_texts=letters, workers=1, batch=50)
    return folder


def test_the_layout_is_that_of_clip_retrieval(pool: Path) -> None:
    """Embeddings, metadata and index lie where clip-retrieval looks, row by row in step."""
    features = np.load(pool / "img_emb" / "img_emb_0.npy")
    table = pd.read_parquet(pool / "metadata" / "metadata_0.parquet")
    index = faiss.read_index(str(pool / "image.index"))
    assert features.shape == (120, 48)
    assert len(table) == index.ntotal == 120
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    assert {"caption", "url", "similarity", "LICENSE", "NSFW", "WIDTH", "HEIGHT"} == set(table.columns)
    assert len(PackedImages(pool)) == 120
    assert table["similarity"].between(-1, 1).all()


def test_the_index_finds_the_picture_it_is_asked_for(pool: Path) -> None:
    """The nearest row to a stored picture's features is that picture (or its repeat)."""
    features = np.load(pool / "img_emb" / "img_emb_0.npy")
    index = faiss.read_index(str(pool / "image.index"))
    query = thumbnails([PackedImages(pool).get(17)])
    scores, found = index.search((query / np.linalg.norm(query)).astype(np.float32), 1)
    np.testing.assert_allclose(scores[0, 0], 1, atol=1e-5)
    np.testing.assert_allclose(features[found[0, 0]], features[17], atol=0.02)


def test_the_metadata_does_not_hold_the_truth(pool: Path) -> None:
    """Captions are those of the drawn rows, and no column names the category."""
    table = pd.read_parquet(pool / "metadata" / "metadata_0.parquet")
    drawn = list(draw_pool(pool_rows(120, 4), 4, workers=1))
    assert table["caption"].tolist() == [item.caption for item in drawn]
    assert "category" not in {column.lower() for column in table.columns}


def test_captions_without_a_text_encoder_have_no_similarity(tmp_path: Path) -> None:
    """A cosine that nobody measured is missing, not zero."""
    table = write_pool_index(tmp_path / "now", thumbnails, 47, workers=1)
    assert table["similarity"].isna().all()


def test_an_encoder_that_loses_pictures_is_refused(tmp_path: Path) -> None:
    """An encoder that returns fewer rows than pictures would shift every caption."""
    with pytest.raises(MismatchError, match="47 images"):
        write_pool_index(tmp_path, lambda jpegs: thumbnails(jpegs)[:-1], 47, workers=1)


def test_a_script_without_a_main_guard_draws(tmp_path):
    """Processes that draw do not run the user's script again, which would start processes again."""
    script = tmp_path / "notebook.py"
    script.write_text(
        "from susx.demo.pool import draw_pool, pool_rows\n"
        "print('once', len(list(draw_pool(pool_rows(300, 0, 16)))))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300, env=child_environment()
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["once", "300"]
