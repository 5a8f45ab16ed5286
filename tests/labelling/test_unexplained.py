"""Groups that no name explains, and what the captions of a pool say of them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from susx import label
from susx.labelling.label_report import render_page
from susx.labelling.label_result import LabelResult
from susx.labelling.proposals import captions_near
from susx.labelling.unexplained import unexplained_groups
from susx.testing.photos import take_photos


def cloud(rng: np.random.Generator, axis: int, count: int) -> np.ndarray:
    rows = 0.07 * rng.normal(size=(count, 32)) + np.eye(32)[axis]
    unit: np.ndarray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def test_each_kind_is_a_group_and_what_is_like_nothing_is_none() -> None:
    """Two classes, two kinds of outsiders of six and four, five that are like nothing; the order of the images does not matter."""
    rng = np.random.default_rng(0)
    alone = rng.normal(size=(5, 32))
    alone /= np.linalg.norm(alone, axis=1, keepdims=True)
    rows = np.concatenate(
        [cloud(rng, 0, 12), cloud(rng, 1, 12), cloud(rng, 2, 6), cloud(rng, 3, 4), alone]
    ).astype(np.float32)
    kinds = np.repeat(["a", "b", "c", "d", "-"], [12, 12, 6, 4, 5])
    outside = np.where(np.isin(kinds, ["a", "b"]), 0.1, 0.9)
    for order in (np.arange(len(rows)), rng.permutation(len(rows))):
        frame = pd.DataFrame(
            {"label": np.where(kinds == "b", "b", "a")[order], "none_of_these": outside[order], "by_person": False, "group": np.arange(len(rows))}
        )  # fmt: skip
        groups = unexplained_groups(frame, rows[order])
        assert [len(group) for group in groups] == [6, 4]
        assert [set(kinds[order][group]) for group in groups] == [{"c"}, {"d"}]
    frame["by_person"] = frame["none_of_these"] > 0.5
    assert unexplained_groups(frame, rows[order]) == [], "what a person named is explained"


def test_captions_are_those_of_the_nearest_images_each_once() -> None:
    """Spaces and case make no caption another one; images without a caption, or without a length, say nothing."""
    rng = np.random.default_rng(1)
    pool = np.concatenate([cloud(rng, 2, 4), cloud(rng, 3, 2), np.zeros((1, 32), np.float32)])
    captions = ["A  crystal", "a crystal", None, " ", "x" * 300, "dots", "nothing"]
    near = captions_near([cloud(rng, 2, 3), cloud(rng, 3, 3)], pool, captions)
    assert [caption.casefold() for caption in near[0][:1]] == ["a crystal"]
    assert len(near[0]) == 3
    assert set(near[1][:2]) == {"x" * 96 + " ...", "dots"}
    assert captions_near([cloud(rng, 2, 3)], pool, [None] * 7) == [()]


def test_a_missing_class_is_proposed_in_the_report(tmp_path: Path) -> None:
    """Photographs of crystals and three names: captions of the pool say it, in the file, in the page, and after reading it again."""
    take_photos(tmp_path / "photos", ["striped", "grid", "woven", "crystalline"], 8)
    names, settings = ["striped", "grid", "woven"], {"retrieval.pool_size": 400}
    made = label(
        tmp_path / "photos", names, store=tmp_path / "store", out=tmp_path / "labels", settings=settings
    )
    crystals = [digest for at, digest in enumerate(made.frame["digest"]) if at % 4 == 3]
    proposals = made.result.proposals
    told = [digest for digest in crystals if "Faceted rock" in proposals.get(digest, ())]
    assert len(told) >= 5
    read = LabelResult.read(tmp_path / "labels")
    assert read.proposals == proposals
    assert "“Faceted rock”" in render_page(read)
    alone = label(tmp_path / "photos", names, store=tmp_path / "store", no_pool=True)
    assert alone.result.proposals == {}
    (tmp_path / "labels" / "proposals.json").write_text(
        json.dumps({crystals[0]: ["<script>alert(1)</script>"]})
    )
    page = render_page(LabelResult.read(tmp_path / "labels"))
    assert "<script>alert" not in page
