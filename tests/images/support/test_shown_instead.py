"""Pictures in place of images that no class shows often enough to be known: all classes together tell."""

from __future__ import annotations

import random

import torch

from susx.images.support.shown_instead import pages_with_the_same
from susx.records import SupportRow

DIM = 8
NOTICE = torch.nn.functional.normalize(torch.ones(1, DIM))


def row(number: int, name: str = "cat", **values: object) -> SupportRow:
    facts = {
        "class_name": name, "file": "a.jpg", "digest": f"{number:064x}", "origin": "retrieved", "prompt": "a", "page": f"https://p/{number}",
        "phash": f"{number:016x}", "original_digest": f"{number + 1000:064x}",
    }  # fmt: skip
    return SupportRow(**{**facts, **values})  # type: ignore[arg-type]


def features(number: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(number, DIM, generator=torch.Generator().manual_seed(1)))


def test_one_file_over_three_classes() -> None:
    """One page of each class shows it, three in all; a page that three classes find is one page, and rejected rows count for nothing."""
    rows = [row(at, name, original_digest="n" * 64) for at, name in enumerate(("cat", "dog", "bird"))]
    assert pages_with_the_same(rows, features(3)) == {0: 3, 1: 3, 2: 3}
    assert not pages_with_the_same([row(7, name) for name in ("cat", "dog", "bird")], features(3))
    assert not pages_with_the_same([*rows[:2], row(2, original_digest="n" * 64, rejected="licence")], features(3))  # fmt: skip
    assert not pages_with_the_same([*rows[:2], row(2, original_digest="n" * 64, page=None)], features(3))
    assert not pages_with_the_same([*rows[:2], row(2, original_digest="n" * 64, origin="provided")], features(3))  # fmt: skip


def test_a_notice_that_is_encoded_anew_each_time() -> None:
    """Other bytes, the same look: an equal perceptual hash and near features. One of the two alone is no proof."""
    rows = [row(at, phash="f" * 16) for at in range(5)]
    alike = torch.nn.functional.normalize(NOTICE.repeat(5, 1) + 0.01 * features(5))
    assert pages_with_the_same(rows, alike) == dict.fromkeys(range(5), 5)
    assert not pages_with_the_same(rows, features(5))
    assert not pages_with_the_same([row(at) for at in range(5)], alike)
    mixed = alike.clone()
    mixed[:2] = features(2)
    assert pages_with_the_same(rows, mixed) == dict.fromkeys((2, 3, 4), 3)


def test_no_order_matters() -> None:
    rows = [row(at, phash=f"{at // 4:016x}", original_digest=f"{at // 3:064x}") for at in range(24)]
    near = torch.nn.functional.normalize(NOTICE.repeat(24, 1) + 0.02 * features(24))
    right = {rows[at].digest: pages for at, pages in pages_with_the_same(rows, near).items()}
    for seed in range(5):
        order = random.Random(seed).sample(range(24), 24)
        turned = [rows[at] for at in order]
        assert {turned[at].digest: pages for at, pages in pages_with_the_same(turned, near[order]).items()} == right  # fmt: skip
