"""Each step of whitened prototypes against an independent twin, and the fit as a whole on bad input."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.kernel_ridge import KernelRidge

from susx.features.gather_pool import gather_pool_statistics
from susx.features.pool_search import support_from_pool
from susx.methods.functional.class_means import class_means, rank_weights
from susx.methods.functional.domain import chosen_by_chance, domain_evidence, ramp
from susx.methods.functional.hubness import hubness_bias
from susx.methods.functional.pool_selection import class_ranks, highest_rows, selection_scores
from susx.methods.functional.support_trust import SupportTrust
from susx.methods.functional.text_map import text_map
from susx.methods.functional.whitened_prototypes import (
    Constants,
    Prototypes,
    fit_prototypes,
    prototype_scores,
)
from susx.methods.functional.whitening import covariance, whitening, within_class_covariance

SCALE = 30.0
seeds = st.integers(0, 10_000)


def unit(*shape: int, seed: int, common: float = 0.5) -> torch.Tensor:
    """Random unit rows around a common direction, as encoders give them."""
    rows = torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) + common
    return rows / rows.norm(dim=-1, keepdim=True)


def pool_of_classes(text: torch.Tensor, count: int, seed: int, near: float = 2.0) -> torch.Tensor:
    """Unit rows of which each lies near one of the prompts."""
    rows = near * text[torch.arange(count) % len(text)] + unit(count, text.shape[1], seed=seed, common=0.0)
    return rows / rows.norm(dim=-1, keepdim=True)


def believed(classes: int) -> SupportTrust:
    """Return the trust in images that are known to be of their classes, which is not what the test is about."""
    return SupportTrust(1.0, 1.0, 0.5, 1.5, 1.0, 1.0, 1.0, torch.ones(classes))


def fitted(
    text: torch.Tensor,
    pool: torch.Tensor,
    per_class: int = 8,
    constants: Constants = Constants(depth=8),
    trust: SupportTrust | None = None,
) -> tuple[Prototypes, Any, torch.Tensor, torch.Tensor]:
    """Return a fit, the statistics, and the support rows with their labels."""
    statistics = gather_pool_statistics(text, SCALE, [pool.numpy()], "encoder")
    support = support_from_pool(text, SCALE, pool, per_class)
    fit = fit_prototypes(text, SCALE, support.features, support.labels, statistics, constants, trust)
    return fit, statistics, support.features, support.labels


def scores(fit: Prototypes, rows: torch.Tensor) -> torch.Tensor:
    return prototype_scores(rows, fit.mean, fit.matrix, fit.prototypes) - fit.offset


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_selection_is_the_mean_of_similarity_and_log_posterior(seed: int) -> None:
    """Twin: (z + log softmax z) / 2, and plain sorting of each class's column."""
    z = 5 * torch.randn(30, 7, generator=torch.Generator().manual_seed(seed))
    chosen = selection_scores(z)
    torch.testing.assert_close(chosen, (z + z.log_softmax(1)) / 2, rtol=1e-5, atol=1e-5)
    for label, rows in enumerate(highest_rows(chosen, 4).tolist()):
        assert rows == sorted(range(30), key=lambda row: -float(chosen[row, label]))[:4]


@given(
    labels=st.lists(st.integers(0, 3), min_size=1, max_size=30),
    values=st.lists(st.integers(0, 5), min_size=30, max_size=30),
)
@settings(max_examples=50, deadline=None)
def test_ranks_count_the_better_images_of_the_class(labels: list[int], values: list[int]) -> None:
    """Twin: how many images of the same class have a higher score."""
    held = values[: len(labels)]
    ranks = class_ranks(torch.tensor(held).float(), torch.tensor(labels))
    expected = [
        sum(other > value and same == label for other, same in zip(held, labels, strict=True))
        for value, label in zip(held, labels, strict=True)
    ]
    assert ranks.tolist() == expected


@pytest.mark.parametrize("dim", [3, 12, 40])
def test_whitening_makes_the_shrunk_covariance_the_identity(dim: int) -> None:
    """M S M = I for the regularised S, with fewer rows than dimensions as well."""
    rows = unit(20, dim, seed=1).double()
    spread = covariance(rows)
    np.testing.assert_allclose(spread.numpy(), np.cov(rows.numpy().T, bias=True), atol=1e-12)
    whiten = whitening(rows.mean(0), spread, 0.1)
    shrunk = spread + 0.1 * spread.trace() / dim * torch.eye(dim)
    torch.testing.assert_close(whiten.matrix @ shrunk @ whiten.matrix, torch.eye(dim).double())
    torch.testing.assert_close(whiten(rows).norm(dim=1), torch.ones(20).double())


def test_within_class_covariance_is_the_mean_over_classes() -> None:
    """Twin: numpy's covariance of each class, weighted by its size; classes without rows do not matter."""
    rows, labels = unit(30, 6, seed=2), torch.arange(30) % 4 * 2
    parts = [
        np.cov(rows[labels == c].double().numpy().T, bias=True) * int((labels == c).sum())
        for c in (0, 2, 4, 6)
    ]
    np.testing.assert_allclose(within_class_covariance(rows, labels).numpy(), sum(parts) / 30, atol=1e-12)


def test_one_image_is_centred_and_no_more() -> None:
    """A covariance of nothing gives no whitening, and the mean itself becomes a zero row, not NaN."""
    row = unit(1, 5, seed=0).double()
    whiten = whitening(row[0], covariance(row), 0.1)
    assert torch.equal(whiten.matrix, torch.eye(5).double())
    assert torch.equal(whiten(row), torch.zeros(1, 5).double())


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_class_means_are_weighted_means(seed: int) -> None:
    """Twin: numpy's weighted average class by class; a class without rows is zero."""
    generator = torch.Generator().manual_seed(seed)
    rows, labels = torch.randn(25, 4, generator=generator), torch.randint(0, 5, (25,), generator=generator)
    weights = torch.rand(25, generator=generator) + 0.01
    means = class_means(rows, labels, weights, 6)
    for c in range(6):
        chosen = labels == c
        expected = (
            np.average(rows[chosen].numpy(), axis=0, weights=weights[chosen].numpy())
            if chosen.any()
            else np.zeros(4)
        )
        np.testing.assert_allclose(means[c].numpy(), expected, rtol=1e-4, atol=1e-5)


def test_weights_follow_rank_and_posterior() -> None:
    """Twin: the formula written out; images past the depth get nothing."""
    ordered, q = torch.tensor([4.0, 3.0, 2.0, 1.0]), torch.tensor([0.9, 0.4, 0.1, 0.8])
    weights = rank_weights(ordered, q, torch.zeros(4).long(), depth=3)
    expected = [math.sqrt(0.9), math.sqrt(0.4) * math.exp(-4 / 3), math.sqrt(0.1) * math.exp(-8 / 3), 0.0]
    torch.testing.assert_close(weights, torch.tensor(expected))


@pytest.mark.parametrize(("classes", "dim"), [(6, 20), (40, 8), (20, 20)])
@pytest.mark.parametrize("missing", [0, 3])
def test_text_map_is_kernel_ridge_regression(classes: int, dim: int, missing: int) -> None:
    """Twin: sklearn's kernel ridge on centred rows, in both forms, and predicting classes without images."""
    text, means = unit(classes, dim, seed=3), unit(classes, 9, seed=4)
    known = torch.arange(classes) >= missing
    t = (text.double() - text[known].double().mean(0)).numpy()
    u = means[known].double()
    strength = 0.7 * float(np.trace(t[known] @ t[known].T)) / int(known.sum())
    twin = KernelRidge(alpha=strength, kernel="linear").fit(t[known], (u - u.mean(0)).numpy())
    expected = twin.predict(t) + u.mean(0).numpy()
    np.testing.assert_allclose(text_map(text, means, known, 0.7).numpy(), expected, atol=1e-9)


def test_text_map_of_equal_rows_is_the_mean() -> None:
    """One class, or prompts that cannot be told apart: every class gets the mean."""
    means = unit(3, 4, seed=5)
    mapped = text_map(torch.ones(3, 2), means, torch.ones(3).bool())
    torch.testing.assert_close(mapped, means.double().mean(0).expand(3, -1))


def test_hubness_counts_the_images_there_are() -> None:
    """Places that the pool could not fill are left out of mean and share."""
    largest = torch.tensor([[4.0, 2.0, -math.inf], [9.0, -math.inf, -math.inf]])
    own = torch.tensor([[True, False, False], [True, False, False]])
    torch.testing.assert_close(hubness_bias(largest, own), torch.tensor([3.0, 9.0]) * 0.75)
    assert torch.equal(hubness_bias(torch.full((2, 3), -math.inf), torch.zeros(2, 3).bool()), torch.zeros(2))


def test_a_pool_of_surrogates_holds_nothing() -> None:
    """Normal rows have the certainty that chance gives; rows near the prompts have far more."""
    text = unit(20, 32, seed=6)
    normal = unit(4000, 32, seed=7)
    mean, spread = normal.double().mean(0), covariance(normal)
    z = SCALE * normal @ text.T
    rows = selection_scores(z).topk(8, dim=0).indices
    posterior = float(z.softmax(1).gather(0, rows).mean())
    evidence = domain_evidence(posterior, chosen_by_chance(text, SCALE, mean, spread, 4000, 8).posterior)
    assert abs(evidence) < 0.03
    near = pool_of_classes(text, 4000, seed=8)
    fit = fitted(text, near)[0]
    assert fit.evidence > 0.2
    assert fit.sigma == 1.0


def test_chance_of_a_large_pool_continues_that_of_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Continued from 4,096 surrogates, chance at 65,536 is near what drawing them all gives."""
    text, normal = unit(20, 32, seed=6), unit(2000, 32, seed=7)
    moments = (normal.double().mean(0), covariance(normal), 65_536, 8)
    monkeypatch.setattr("susx.methods.functional.domain._SURROGATES", 65_536)
    drawn = chosen_by_chance(text, SCALE, *moments)
    monkeypatch.setattr("susx.methods.functional.domain._SURROGATES", 4096)
    continued = chosen_by_chance(text, SCALE, *moments)
    small = chosen_by_chance(text, SCALE, *moments[:2], 4096, 8)
    assert abs(continued.posterior - drawn.posterior) < 0.02 < drawn.posterior - small.posterior
    assert continued.excess == pytest.approx(drawn.excess, rel=0.05)
    assert drawn.excess > 1.1 * small.excess


def test_ramp_is_continuous() -> None:
    """No jump anywhere: a pool on the edge is not all or nothing."""
    assert [ramp(v, 0.1, 0.1) for v in (-1.0, 0.1, 0.2, 5.0)] == [0.0, 0.0, 1.0, 1.0]
    assert ramp(0.15, 0.1, 0.1) == pytest.approx(0.5)


def test_a_useless_pool_leaves_zero_shot() -> None:
    """With rows that hold no class every added term is exactly 0."""
    text = unit(20, 32, seed=6)
    fit = fitted(text, unit(4000, 32, seed=7))[0]
    assert fit.sigma == 0.0
    assert torch.equal(scores(fit, unit(9, 32, seed=1)), torch.zeros(9, 20))


@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_scores_are_row_wise(seed: int) -> None:
    """An image's scores do not depend on the other images."""
    text = unit(6, 16, seed=seed)
    fit = fitted(text, pool_of_classes(text, 400, seed=seed + 1))[0]
    rows = unit(7, 16, seed=seed + 2)
    torch.testing.assert_close(scores(fit, rows)[3:5], scores(fit, rows[3:5]), rtol=1e-5, atol=1e-5)


@given(seed=seeds, order=st.permutations(range(6)))
@settings(max_examples=10, deadline=None)
def test_order_of_classes_permutes_columns(seed: int, order: list[int]) -> None:
    """Listing the classes in another order permutes the columns and nothing else."""
    text, moved = unit(6, 16, seed=seed), torch.tensor(order)
    pool, rows = pool_of_classes(text, 400, seed=seed + 1), unit(7, 16, seed=seed + 2)
    expected = scores(fitted(text, pool)[0], rows)[:, moved]
    torch.testing.assert_close(scores(fitted(text[moved], pool)[0], rows), expected, rtol=1e-4, atol=1e-3)


@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_order_of_support_does_not_matter(seed: int) -> None:
    """Shuffling the support images with their labels changes nothing."""
    text = unit(6, 16, seed=seed)
    fit, statistics, support, labels = fitted(text, pool_of_classes(text, 400, seed=seed + 1))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    again = fit_prototypes(text, SCALE, support[order], labels[order], statistics, Constants(depth=8))
    rows = unit(7, 16, seed=seed + 2)
    torch.testing.assert_close(scores(again, rows), scores(fit, rows), rtol=1e-4, atol=1e-4)


def test_a_class_without_images_is_predicted_from_its_prompt() -> None:
    """Its prototype comes from the text map: nearest to that of the class of the like prompt."""
    text = unit(6, 16, seed=0)
    text[5] = torch.nn.functional.normalize(text[0] + 0.02 * text[1], dim=0)
    pool = pool_of_classes(text[:5], 400, seed=1, near=4.0)
    _, statistics, support, labels = fitted(text, pool)
    chosen = labels != 5
    fit = fit_prototypes(
        text, SCALE, support[chosen], labels[chosen], statistics, Constants(depth=8), believed(6)
    )
    assert torch.isfinite(fit.prototypes).all()
    assert fit.prototypes.norm(dim=1)[5] > 0
    assert int((fit.prototypes[:5] @ fit.prototypes[5]).argmax()) == 0


def test_trust_in_own_images_grows_with_their_number() -> None:
    """With few of ``depth`` images a class is told by the map for the greater part; labelled shots are trusted whole."""
    text = unit(6, 16, seed=0)
    pool = pool_of_classes(text, 400, seed=1, near=4.0)
    trusts = [fitted(text, pool, per_class=n, trust=believed(6))[0].rho for n in (1, 2, 4, 8, 16)]
    assert trusts == sorted(trusts)
    assert trusts[0] == pytest.approx(trusts[3] / 8)
    assert trusts[3] == trusts[4] == 1.0
    _, statistics, support, labels = fitted(text, pool)
    few = (labels != 0) | (torch.arange(len(labels)) == 0)
    fit = fit_prototypes(text, SCALE, support[few], labels[few], statistics, Constants(depth=8), believed(6))
    assert fit.rho == pytest.approx((5 + 1 / 8) / 6)


def test_one_class_alone_is_legal() -> None:
    """Nothing to tell apart, and every number is finite."""
    text = unit(1, 16, seed=0)
    fit = fitted(text, unit(50, 16, seed=1))[0]
    assert torch.isfinite(scores(fit, unit(5, 16, seed=2))).all()


def test_two_classes_of_one_prompt_get_equal_scores() -> None:
    """Prompts that are equal bit for bit choose the same images and stay equal."""
    text = unit(6, 16, seed=0)
    text[4] = text[2]
    fit = fitted(text, pool_of_classes(text, 400, seed=1))[0]
    found = scores(fit, unit(9, 16, seed=2))
    torch.testing.assert_close(found[:, 4], found[:, 2], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("count", [1, 3, 20])
def test_a_small_pool_is_legal(count: int) -> None:
    """Fewer rows than images per class times classes: rows are shared, and the numbers are finite."""
    text = unit(6, 16, seed=0)
    fit, _, support, _ = fitted(text, pool_of_classes(text, count, seed=1))
    assert len(support) == 6 * min(count, 8)
    assert torch.isfinite(scores(fit, unit(9, 16, seed=2))).all()


@pytest.mark.parametrize(
    "constants",
    [Constants(depth=8), Constants(depth=8, power=0.0, decay=0.0), Constants(depth=8, bias=0.0)],
)
def test_a_pool_that_holds_the_classes_helps(constants: Constants) -> None:
    """Where images of one class differ much in a few directions, these directions are learnt to count less."""
    text = unit(10, 32, seed=0)
    loud = torch.ones(32)
    loud[:6] = 4.0

    def images(count: int, seed: int) -> torch.Tensor:
        noise = loud * torch.randn(count, 32, generator=torch.Generator().manual_seed(seed)) / 32**0.5
        return torch.nn.functional.normalize(0.7 * text[torch.arange(count) % 10] + 0.6 * noise)

    queries, labels = images(1000, 2), torch.arange(1000) % 10
    fit = fitted(text, images(2000, 1), constants=constants, trust=believed(10))[0]
    zero_shot = SCALE * queries @ text.T
    before = (zero_shot.argmax(1) == labels).float().mean()
    after = ((zero_shot + scores(fit, queries)).argmax(1) == labels).float().mean()
    assert after > before + 0.02


def test_statistics_are_not_written_into() -> None:
    """A fit leaves what it was given as it was."""
    text = unit(6, 16, seed=0)
    pool = pool_of_classes(text, 400, seed=1)
    _, statistics, support, labels = fitted(text, pool)
    before = [getattr(statistics, f.name) for f in dataclasses.fields(statistics)]
    copies = [value.clone() if isinstance(value, torch.Tensor) else value for value in before]
    fit_prototypes(text, SCALE, support, labels, statistics, Constants(depth=8))
    for value, copy in zip(before, copies, strict=True):
        assert torch.equal(value, copy) if isinstance(value, torch.Tensor) else value == copy
