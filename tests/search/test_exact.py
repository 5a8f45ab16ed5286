"""The exact search against exhaustive evaluation of every grid point."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from susx.errors import InputError, NoSupportError
from susx.methods import TipX
from susx.search import Grid, Optimum, search_cache
from susx.search.exact import even_runs

TIE = 1e-9
PUBLISHED = Grid(*(np.array(TipX().grid("val")[name]) for name in ("alpha", "beta", "gamma")))


def seen(support_labels, classes, rows, query_fold, support_fold):
    """Return which support rows each query row may see, as one-hot classes [query support classes]."""
    one_hot = torch.nn.functional.one_hot(support_labels, classes).double().expand(rows, -1, -1).clone()
    if query_fold is not None and support_fold is not None:
        one_hot[query_fold[:, None] == support_fold[None]] = 0
    return one_hot


def weights(one_hot, nominal):
    """Return the factor of every row's class sums."""
    if nominal is None:
        return torch.ones(one_hot.shape[0], one_hot.shape[2], dtype=torch.float64)
    present = one_hot.sum(1)
    return torch.where(present > 0, nominal / present.clamp(min=1), 0.0)


def divergences(query_ls, support_ls, one_hot, psi, nominal, empty_as_mean=True):
    """Return psi(M) L, the divergence of every query row and class, in float64."""
    query_ls, support_ls = query_ls.double(), support_ls.double()
    kl = (query_ls.exp()[:, None, :] * (query_ls[:, None, :] - support_ls[None])).sum(-1)
    divergence = ((psi[0] * kl + psi[1])[:, None] @ one_hot)[:, 0] * weights(one_hot, nominal)
    if empty_as_mean:
        supported = one_hot.sum(1) > 0
        mean = (divergence * supported).sum(1, keepdim=True) / supported.sum(1, keepdim=True)
        divergence = torch.where(supported, divergence, mean)
    return divergence


def search_tip_x(
    zero_shot,
    query,
    support,
    query_ls,
    support_ls,
    support_labels,
    labels,
    *,
    psi,
    grid,
    nominal=None,
    empty_as_mean=True,
    query_fold=None,
    support_fold=None,
):
    """Search with the divergences of TIP-X; the dimensions of the counts are gamma, alpha, beta."""
    divergence = None
    if (
        len(support)
        and query_ls.shape[1] == support_ls.shape[1]
        and int(support_labels.max()) < zero_shot.shape[1]
    ):
        one_hot = seen(support_labels, zero_shot.shape[1], len(query_ls), query_fold, support_fold)
        divergence = divergences(query_ls, support_ls, one_hot, psi, nominal, empty_as_mean).nan_to_num(0.0)
    counts = search_cache(
        zero_shot, query, support, support_labels, labels, grid=grid, divergence=divergence, nominal=nominal,
        query_fold=query_fold, support_fold=support_fold,
    )  # fmt: skip
    return Optimum.of(counts, named(grid), len(labels))


def named(grid):
    """Return the axes of a grid in the order in which ties prefer small values."""
    return {"gamma": tuple(grid.gammas), "alpha": tuple(grid.alphas), "beta": tuple(grid.betas)}


def exhaustive(
    zero_shot,
    query,
    support,
    query_ls,
    support_ls,
    support_labels,
    labels,
    *,
    psi,
    grid,
    nominal=None,
    empty_as_mean=True,
    query_fold=None,
    support_fold=None,
):
    """Count correct rows at every grid point by forming all logits in float64, one point at a time."""
    zero_shot, query, support = zero_shot.double(), query.double(), support.double()
    classes = zero_shot.shape[1]
    affinity = query @ support.T
    one_hot = seen(support_labels, classes, len(query), query_fold, support_fold)
    weight = weights(one_hot, nominal)
    divergence = divergences(query_ls, support_ls, one_hot, psi, nominal, empty_as_mean)
    counts = np.zeros((len(grid.gammas), len(grid.alphas), len(grid.betas)), dtype=np.int64)
    rows = torch.arange(len(query))
    smaller = torch.arange(classes)[None] < labels[:, None]
    for b, beta in enumerate(grid.betas):
        cache = ((-beta * (1 - affinity)).exp()[:, None] @ one_hot)[:, 0] * weight
        for a, alpha in enumerate(grid.alphas):
            for g, gamma in enumerate(grid.gammas):
                logits = zero_shot + alpha * cache - gamma * divergence
                lead = logits[rows, labels][:, None] - logits
                beaten = torch.where(smaller, lead > TIE, lead > -TIE)
                beaten[rows, labels] = True
                counts[g, a, b] = int(beaten.all(1).sum())
    return counts


def best_by_hand(counts, grid):
    """Return the first best point when gamma, then alpha, then beta ascend."""
    points = [
        (-counts[g, a, b], grid.gammas[g], grid.alphas[a], grid.betas[b])
        for a in range(len(grid.alphas)) for b in range(len(grid.betas)) for g in range(len(grid.gammas))
    ]  # fmt: skip
    correct, gamma, alpha, beta = min(points)
    return Optimum({"gamma": gamma, "alpha": alpha, "beta": beta}, int(-correct), 0, named(grid), counts)


def random_case(seed, rows=40, images=30, classes=7, dim=8):
    """Return the arguments of one random search, with unequal support and one class without any."""
    generator = torch.Generator().manual_seed(seed)
    unit = torch.nn.functional.normalize
    classifier = unit(torch.randn(classes, dim, generator=generator))
    support_labels = torch.randint(0, classes - 1, (images,), generator=generator)
    labels = torch.randint(0, classes, (rows,), generator=generator)
    support = unit(classifier[support_labels] + torch.randn(images, dim, generator=generator))
    query = unit(classifier[labels] + torch.randn(rows, dim, generator=generator))
    signature = lambda x: (x @ classifier.T / 0.5).double().log_softmax(1)  # noqa: E731
    return (
        10 * query @ classifier.T,
        query,
        support,
        signature(query),
        signature(support),
        support_labels,
        labels,
    )


SMALL = Grid(
    np.array([0.0, 0.5, 2.0, 9.0, 40.0]),
    np.array([0.0, 1.0, 2.0, 3.0, 5.5, 8.0]),
    np.array([0.0, 0.1, 1.0, 2.0]),
)


@pytest.mark.parametrize("nominal", [None, 4.0])
@pytest.mark.parametrize("seed", range(4))
def test_every_count_equals_exhaustive_evaluation(seed, nominal):
    """The count at every grid point, not only the best, is that of forming all logits."""
    case = random_case(seed)
    expected = exhaustive(*case, psi=(30.0, 0.2), grid=SMALL, nominal=nominal)
    found = search_tip_x(*case, psi=(30.0, 0.2), grid=SMALL, nominal=nominal)
    np.testing.assert_array_equal(found.counts, expected)
    assert found.total == len(case[0])
    assert found.accuracy == found.correct / found.total
    assert found == Optimum(**{**vars(best_by_hand(expected, SMALL)), "total": found.total})
    assert expected.min() < expected.max()


@pytest.mark.parametrize("psi", [(-5.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
def test_any_affine_rescaling_is_searched_exactly(psi):
    """A falling or constant psi, for which divergences differ in sign or not at all, is no special case."""
    case = random_case(9)
    found = search_tip_x(*case, psi=psi, grid=SMALL)
    np.testing.assert_array_equal(found.counts, exhaustive(*case, psi=psi, grid=SMALL))


def test_a_class_without_support_can_be_left_without_divergence():
    """The published rule for an empty class is searched exactly and is another one than the default."""
    case = random_case(8)
    found = search_tip_x(*case, psi=(30.0, 0.2), grid=SMALL, empty_as_mean=False)
    np.testing.assert_array_equal(
        found.counts, exhaustive(*case, psi=(30.0, 0.2), grid=SMALL, empty_as_mean=False)
    )
    assert (found.counts != search_tip_x(*case, psi=(30.0, 0.2), grid=SMALL).counts).any()


@pytest.mark.parametrize("nominal", [None, 3.0])
def test_a_row_never_sees_support_of_its_own_fold(nominal):
    """K-fold counts equal exhaustive evaluation with the fold's rows struck from each row's cache."""
    case = random_case(3)
    folds = {"query_fold": torch.arange(40) % 3, "support_fold": torch.arange(30) % 3}
    found = search_tip_x(*case, psi=(30.0, 0.2), grid=SMALL, nominal=nominal, **folds)
    np.testing.assert_array_equal(
        found.counts, exhaustive(*case, psi=(30.0, 0.2), grid=SMALL, nominal=nominal, **folds)
    )
    whole = search_tip_x(*case, psi=(30.0, 0.2), grid=SMALL, nominal=nominal)
    assert (found.counts != whole.counts).any()


def test_tip_adapter_is_the_search_without_divergence():
    """Without divergences the counts equal exhaustive evaluation at gamma 0."""
    case = random_case(5)
    at_zero = Grid(SMALL.alphas, SMALL.betas, np.zeros(1))
    counts = search_cache(*case[:3], *case[5:], grid=at_zero)
    np.testing.assert_array_equal(counts, exhaustive(*case, psi=(0.0, 0.0), grid=at_zero))


@st.composite
def tied_cases(draw):
    """Draw a small case from few values, so that logits tie within and between grid points."""
    rows, images, classes = draw(st.integers(1, 5)), draw(st.integers(1, 6)), draw(st.integers(1, 4))
    few = st.sampled_from([0.0, 0.5, 1.0])
    steps = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 4.0]), min_size=1, max_size=4, unique=True)

    def table(height, width):
        row = st.lists(few, min_size=width, max_size=width)
        return torch.tensor(draw(st.lists(row, min_size=height, max_size=height)))

    def ids(count):
        return torch.tensor(draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count)))

    def signature(count):
        return table(count, classes).double().log_softmax(1)

    grid = Grid(*(np.array(draw(steps.map(sorted))) for _ in range(3)))
    case = (
        table(rows, classes),
        table(rows, 2),
        table(images, 2),
        signature(rows),
        signature(images),
        ids(images),
        ids(rows),
    )
    return (
        case,
        grid,
        (draw(st.sampled_from([-1.0, 0.0, 1.0])), draw(few)),
        draw(st.sampled_from([None, 2.0])),
    )


@settings(max_examples=150, deadline=None)
@given(tied_cases())
def test_ties_are_counted_and_broken_as_exhaustive_evaluation_does(drawn):
    """Tied logits go to the smaller class id, tied points to the smallest gamma, alpha, beta."""
    case, grid, psi, nominal = drawn
    found = search_tip_x(*case, psi=psi, grid=grid, nominal=nominal)
    expected = exhaustive(*case, psi=psi, grid=grid, nominal=nominal)
    np.testing.assert_array_equal(found.counts, expected)
    best = best_by_hand(expected, grid)
    assert (found.values, found.correct) == (best.values, best.correct)


def test_an_exact_tie_is_decided_as_torch_argmax_decides_it():
    """With two identical classes the smaller id wins, so exactly its rows are right."""
    zero_shot = torch.zeros(4, 2)
    labels = torch.tensor([0, 1, 1, 0])
    flat = torch.full((1, 2), 0.5).log()
    found = search_tip_x(zero_shot, torch.ones(4, 1), torch.ones(2, 1), flat.expand(4, 2), flat.expand(2, 2),
                         torch.tensor([0, 1]), labels, psi=(1.0, 0.0), grid=SMALL)  # fmt: skip
    assert (found.counts == int((zero_shot.argmax(1) == labels).sum())).all()
    assert set(found.values.values()) == {0.0}


def test_the_whole_published_grid_agrees_on_random_data():
    """200,000 points of the published grid give the counts of exhaustive evaluation at a stride of points."""
    case = random_case(11, rows=60, images=45, classes=6)
    found = search_tip_x(*case, psi=(30.0, 0.2), grid=PUBLISHED)
    full = PUBLISHED
    thin = Grid(full.alphas[::6], full.betas[::21], full.gammas[::7])
    np.testing.assert_array_equal(found.counts[::7, ::6, ::21], exhaustive(*case, psi=(30.0, 0.2), grid=thin))
    assert found.correct == found.counts.max()


def test_the_order_of_support_and_queries_does_not_matter():
    """Permuting support rows and tuning rows leaves every count as it was."""
    zero_shot, query, support, query_ls, support_ls, support_labels, labels = random_case(2)
    generator = torch.Generator().manual_seed(0)
    s, q = (torch.randperm(len(rows), generator=generator) for rows in (support, query))
    one = search_tip_x(*random_case(2), psi=(30.0, 0.2), grid=SMALL)
    mixed = (zero_shot[q], query[q], support[s], query_ls[q], support_ls[s], support_labels[s], labels[q])
    two = search_tip_x(*mixed, psi=(30.0, 0.2), grid=SMALL)
    np.testing.assert_array_equal(one.counts, two.counts)


def test_blocks_of_rows_do_not_change_the_counts(monkeypatch):
    """Blocks of 16 rows give the counts of one block, and long runs of betas are renewed without effect."""
    case = random_case(6)
    grid = Grid(np.array([1.0, 5.0]), np.linspace(0, 30, 70), np.array([0.0, 1.0]))
    one = search_tip_x(*case, psi=(30.0, 0.2), grid=grid)
    monkeypatch.setattr("susx.search.exact._BLOCK_BYTES", 1)
    two = search_tip_x(*case, psi=(30.0, 0.2), grid=grid)
    np.testing.assert_array_equal(one.counts, two.counts)
    assert even_runs(grid.betas, longest=32).tolist() == [[0, 32], [32, 64], [64, 70]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_are_searched(dtype):
    """Half-precision inputs are widened, not refused; counts are those of the widened values."""
    case = tuple(t.to(dtype) if t.is_floating_point() else t for t in random_case(4))
    wide = tuple(t.double() if t.is_floating_point() else t for t in case)
    found = search_tip_x(*case, psi=(3.0, 0.0), grid=SMALL)
    np.testing.assert_array_equal(found.counts, search_tip_x(*wide, psi=(3.0, 0.0), grid=SMALL).counts)


def test_torch_keeps_its_number_of_threads():
    """In a process of its own: numba takes all that it may when its first kernel starts, and with them the last digits of torch's products."""
    search = (
        "import torch; from susx.search import Grid, search_cache; one = torch.eye(2)\n"
        "grid = Grid([1.0], [1.0], [0.0])\n"
        "print(search_cache(one, one, one, torch.arange(2), torch.arange(2), grid=grid).item(), torch.get_num_threads())"
    )
    env = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", search], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "1"]


def test_inputs_are_not_changed():
    """The search leaves its arguments as they were."""
    case = random_case(1)
    before = [t.clone() for t in case]
    search_tip_x(*case, psi=(30.0, 0.2), grid=SMALL, nominal=2.0)
    assert all(torch.equal(a, b) for a, b in zip(case, before, strict=True))


@pytest.mark.untyped
@pytest.mark.parametrize(
    ("place", "value", "error", "words"),
    [
        (0, torch.zeros(0, 7), InputError, "at least one query row"),
        (1, torch.zeros(39, 8), InputError, "query must have shape"),
        (1, torch.full((40, 8), float("nan")), InputError, "query must be finite, row 0"),
        (2, torch.zeros(0, 8), NoSupportError, "zero-shot"),
        (5, torch.full((30,), 7), InputError, "support_labels must be class ids from 0 to 6, found 7"),
        (6, torch.full((40,), -1), InputError, "labels must be class ids"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_by_name(place, value, error, words):
    """A wrong shape, label or value is refused with the argument's name and what it should be."""
    case = list(random_case(0))
    case[place] = value
    with pytest.raises(error, match=words):
        search_tip_x(*case, psi=(1.0, 0.0), grid=SMALL)


def test_folds_that_cannot_be_used_are_refused():
    """One fold alone, or a fold that holds all support, is refused."""
    case = random_case(0)
    with pytest.raises(InputError, match="both"):
        search_tip_x(*case, psi=(1.0, 0.0), grid=SMALL, query_fold=torch.zeros(40, dtype=torch.long))
    with pytest.raises(NoSupportError, match="Fold 0 holds every support row"):
        search_tip_x(*case, psi=(1.0, 0.0), grid=SMALL, query_fold=torch.zeros(40, dtype=torch.long),
                     support_fold=torch.zeros(30, dtype=torch.long))  # fmt: skip
    with pytest.raises(InputError, match="nominal"):
        search_tip_x(*case, psi=(1.0, 0.0), grid=SMALL, nominal=0.0)
