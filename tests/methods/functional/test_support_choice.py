"""One rule chooses support, whoever asks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from susx.config import OVER_FETCH
from susx.methods.functional.pool_selection import selection_scores
from susx.methods.functional.support_choice import (
    KEPT,
    candidate_rows,
    choose_support,
    wanted,
)

SCALE = 20.0


def unit(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows)


def world(seed: int, classes: int = 4, rows: int = 40, dim: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return unit(torch.randn(classes, dim, generator=generator)), unit(
        torch.randn(rows, dim, generator=generator)
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9))
def test_of_its_candidates_a_class_keeps_those_of_highest_selection_score(seed: int, per_class: int) -> None:
    text, pool = world(seed)
    z = SCALE * pool @ text.T
    rows, labels = candidate_rows(z, per_class)
    choice = choose_support(text, SCALE, pool[rows], labels, per_class)
    for label in range(len(text)):
        nearest = z[:, label].argsort(descending=True)[: wanted(per_class)]
        best = nearest[selection_scores(z)[nearest, label].argsort(descending=True)][:per_class]
        mine = choice.kept[labels[choice.kept] == label]
        assert rows[mine].tolist() == best.tolist()


def test_an_image_may_support_every_class_that_found_it() -> None:
    text = unit(torch.tensor([[1.0, 0.1], [1.0, -0.1]]))
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    choice = choose_support(text, SCALE, rows, torch.tensor([0, 1]), 1)
    assert choice.reasons == (KEPT, KEPT)


def test_of_near_duplicates_in_a_class_the_best_is_kept_and_named() -> None:
    text = unit(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    rows = unit(torch.tensor([[1.0, 0.05, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.9]]))
    choice = choose_support(text, SCALE, rows, torch.tensor([0, 0, 0]), 3)
    assert choice.kept.tolist() == [1, 2]
    assert choice.reasons == ("duplicate", KEPT, KEPT)
    assert choice.twins.tolist() == [1, -1, -1]


def test_the_order_of_candidates_and_classes_does_not_matter() -> None:
    text, pool = world(3)
    rows, labels = candidate_rows(SCALE * pool @ text.T, 5)
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(1))
    straight = choose_support(text, SCALE, pool[rows], labels, 5)
    mixed = choose_support(text.flip(0), SCALE, pool[rows[order]], len(text) - 1 - labels[order], 5)

    def pairs(kept: torch.Tensor, rows: torch.Tensor, labels: torch.Tensor) -> set[tuple[int, int]]:
        return set(zip(rows[kept].tolist(), labels[kept].tolist(), strict=True))

    assert pairs(straight.kept, rows, labels) == pairs(mixed.kept, rows[order], labels[order])


def test_refused_candidates_keep_their_reason_and_make_room() -> None:
    text, pool = world(4)
    labels = torch.zeros(len(pool), dtype=torch.int64)
    free = choose_support(text, SCALE, pool, labels, 2)
    refused = [KEPT] * len(pool)
    refused[int(free.kept[0])] = "unsafe"
    rows = pool.clone()
    rows[int(free.kept[0])] = float("nan")
    choice = choose_support(text, SCALE, rows, labels, 2, refused=refused)
    assert choice.reasons[int(free.kept[0])] == "unsafe"
    assert choice.kept[0] == free.kept[1]
    assert len(choice.kept) == 2


def test_images_of_a_person_come_first_and_are_never_surplus() -> None:
    text, pool = world(5)
    labels = torch.zeros(len(pool), dtype=torch.int64)
    worst = choose_support(text, SCALE, pool, labels, len(pool)).kept[-3:]
    provided = torch.zeros(len(pool), dtype=torch.bool)
    provided[worst] = True
    choice = choose_support(text, SCALE, pool, labels, 2, provided=provided)
    assert choice.kept.tolist() == worst.tolist()


def test_sources_take_turns() -> None:
    text = unit(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    rows = unit(torch.tensor([[1, 0, 0], [1, 0, 0.4], [1, 0, 0.8], [1, 0, -2.0], [1, 0, -9.0]]))
    sources = torch.tensor([0, 0, 0, 1, 1])
    choice = choose_support(text, SCALE, rows, torch.zeros(5, dtype=torch.int64), 4, sources=sources)
    assert choice.kept.tolist() == [0, 3, 1, 4]


@pytest.mark.parametrize("rows", [0, 1])
def test_few_candidates_are_legal(rows: int) -> None:
    text, pool = world(6)
    choice = choose_support(text, SCALE, pool[:rows], torch.zeros(rows, dtype=torch.int64), 16)
    assert len(choice.kept) == rows


def test_a_small_pool_gives_what_it_has() -> None:
    rows, labels = candidate_rows(torch.zeros(2, 3), 16, OVER_FETCH)
    assert rows.tolist() == [0, 1] * 3
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]


@given(
    rows=st.integers(1, 60),
    classes=st.integers(1, 4),
    per_class=st.integers(1, 12),
    levels=st.sampled_from([1, 3, 1000]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_candidates_are_those_of_a_stable_sort(
    rows: int, classes: int, per_class: int, levels: int, seed: int
) -> None:
    """Also where many values are equal, and where the pool has fewer rows than are wanted."""
    values = torch.randint(0, levels, (rows, classes), generator=torch.Generator().manual_seed(seed)).float()
    nearest, labels = candidate_rows(values, per_class)
    order = np.argsort(-values.numpy(), axis=0, kind="stable")[: wanted(per_class)]
    assert nearest.tolist() == order.T.reshape(-1).tolist()
    assert labels.tolist() == np.repeat(np.arange(classes), len(order)).tolist()
