"""How far support images are trusted, and that bad support ends in zero-shot: never in NaN, never in an exception."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from susx.features.gather_pool import gather_pool_statistics
from susx.features.pool_search import support_from_pool
from susx.methods import Evidence, ImageFeatures, Method, TipAdapter, TipX, WhitenedPrototypes
from susx.methods.functional.expected_certainty import expected_certainty
from susx.methods.functional.prompt_prior import prompt_prior
from susx.methods.functional.support_choice import candidate_rows, choose_support
from susx.methods.functional.support_trust import SupportTrust, support_trust, trust_sentence
from susx.methods.packaged import packaged

SCALE = 100.0
METHODS: list[Method] = [WhitenedPrototypes(), TipX(1.0, 5.5, 1.0), TipAdapter()]


def unit(*shape: int, seed: int, common: float = 0.5) -> torch.Tensor:
    rows = torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) + common
    return torch.nn.functional.normalize(rows, dim=-1)


def evidence(text: torch.Tensor, pool: torch.Tensor, per_class: int = 8) -> Evidence:
    """Support chosen from a pool as everywhere."""
    rows, labels = candidate_rows(SCALE * pool @ text.T, per_class)
    kept = choose_support(text, SCALE, pool[rows], labels, per_class).kept
    statistics = gather_pool_statistics(text, SCALE, [pool.numpy()], "encoder")
    return Evidence(text, SCALE, pool[rows[kept]], labels[kept], pool=statistics)


def equal_prompts() -> torch.Tensor:
    return unit(1, 16, seed=1).expand(2, 16).contiguous()


def near_test_set() -> torch.Tensor:
    return torch.nn.functional.normalize(
        unit(20, 16, seed=9).repeat(10, 1) + 1e-3 * unit(200, 16, seed=3), dim=1
    )


CASES = {
    "one class": (unit(1, 16, seed=0), unit(200, 16, seed=2)),
    "two classes of one prompt": (equal_prompts(), unit(200, 16, seed=2)),
    "one image": (unit(5, 16, seed=0), unit(1, 16, seed=2)),
    "one image repeated": (unit(5, 16, seed=0), unit(1, 16, seed=2).repeat(300, 1)),
    "near-duplicates of the test set": (unit(5, 16, seed=0), near_test_set()),
    "useless prompts": (
        unit(5, 16, seed=0) * 0.001 + unit(1, 16, seed=4),
        unit(200, 16, seed=2),
    ),
}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
@pytest.mark.parametrize("case", CASES)
def test_bad_support_is_decided_for(case: str, method: Method) -> None:
    """Finite numbers for every image, and a trust between 0 and 1."""
    text, pool = CASES[case]
    given_evidence = evidence(torch.nn.functional.normalize(text, dim=1), pool)
    state = method.fit(given_evidence)
    assert torch.isfinite(method.logits(state, ImageFeatures(unit(20, 16, seed=9)))).all()
    trust = state.sigma if isinstance(method, WhitenedPrototypes) else state.pool_trust
    assert 0 <= trust <= 1


@pytest.mark.parametrize("case", ["one class", "two classes of one prompt", "one image repeated"])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_where_nothing_can_be_told_it_is_zero_shot(case: str, method: Method) -> None:
    """The logits are the prompts' own, and the method says that it is zero-shot, and that the images are why."""
    text, pool = CASES[case]
    query = unit(20, 16, seed=9)
    given_evidence = evidence(text, pool)
    state = method.fit(given_evidence)
    assert method.gives_zero_shot(state)
    assert method.why_zero_shot(state).startswith("the images that the pool offers ")
    expected = SCALE * query @ given_evidence.text_classifier.T
    torch.testing.assert_close(method.logits(state, ImageFeatures(query)), expected)


@pytest.mark.parametrize("method", METHODS[1:], ids=lambda method: method.name)
def test_without_a_pool_votes_count_whole(method: Method) -> None:
    """Shots and generated images are nobody's choice from many."""
    text, support = unit(4, 16, seed=0), unit(12, 16, seed=1)
    state = method.fit(Evidence(text, SCALE, support, torch.arange(12) % 4))
    assert state.pool_trust == 1.0


@given(seed=st.integers(0, 1000), order=st.permutations(range(6)))
@settings(max_examples=10, deadline=None)
def test_the_order_of_classes_does_not_matter(seed: int, order: list[int]) -> None:
    """One trust for all, and each class's moves with it."""
    text, pool, moved = unit(6, 16, seed=seed), unit(300, 16, seed=seed + 1), torch.tensor(order)
    one, other = evidence(text, pool), evidence(text[moved], pool)
    first, second = (
        support_trust(e.text_classifier, SCALE, *e.support("test"), e.pool, depth=8) for e in (one, other)
    )
    assert first.share == pytest.approx(second.share, abs=1e-3)
    torch.testing.assert_close(first.classes[moved], second.classes, rtol=1e-3, atol=1e-3)


def test_expected_certainty_grows_as_prompts_part() -> None:
    """Equal prompts leave chance; prompts at right angles leave no doubt."""
    narrow = 0.001 * torch.eye(16).double()
    certain = [
        expected_certainty(
            torch.nn.functional.normalize(unit(8, 16, seed=0) * width + 1.0, dim=1), SCALE, narrow
        )
        for width in (0.0, 0.5, 1.0, 4.0)
    ]
    assert certain == sorted(certain)
    assert certain[0] == pytest.approx(1 / 8)


def test_expected_certainty_is_that_of_images_so_drawn() -> None:
    """Twin: images drawn one by one, with numpy's normal distribution of the same covariance."""
    import numpy as np

    text = unit(6, 12, seed=0)
    covariance = torch.diag(torch.linspace(0.001, 0.01, 12)).double()
    noise = np.random.default_rng(0).multivariate_normal(np.zeros(12), covariance.numpy(), 4000)
    drawn = 0.3 * (text - text.mean(dim=0))[torch.arange(4000) % 6] + 0.5 * torch.from_numpy(noise).float()
    twin = float((SCALE * drawn @ text.T).softmax(dim=1).amax(dim=1).mean())
    assert expected_certainty(text, SCALE, covariance) == pytest.approx(twin, abs=0.03)


def test_even_prompts_have_no_prior_and_a_hub_has() -> None:
    """A prompt nearer to every image is lowered; adding a constant to its logits raises its prior."""
    labels = torch.arange(12) % 3
    even = 4.0 * torch.nn.functional.one_hot(labels, 3).double()
    torch.testing.assert_close(prompt_prior(even, labels), torch.zeros(3).double(), rtol=0, atol=1e-6)
    hub = even.clone()
    hub[:, 1] += 2.0
    prior = prompt_prior(hub, labels)
    assert prior.argmax() == 1
    assert prior[1] > 0 > prior[0]


def test_a_class_without_images_has_no_prior() -> None:
    z = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).double()
    prior = prompt_prior(z, torch.tensor([0, 1, 2, 0, 1, 2]))
    assert prior[3] == 0
    assert torch.isfinite(prior).all()


@pytest.mark.parametrize(("sigma", "part"), [(0.0, "not used"), (0.4, "count 40 %"), (1.0, "are trusted")])
def test_the_fit_says_how_far_it_trusts(sigma: float, part: str) -> None:
    assert part in trust_sentence(sigma, 0.5)


def test_a_fit_says_its_trust_where_there_was_a_pool() -> None:
    """Images that came from no pool are believed, and nothing is said of them."""
    text, pool = unit(5, 12, seed=0), unit(300, 12, seed=1)
    support = support_from_pool(text, SCALE, pool, 4)
    statistics = gather_pool_statistics(text, SCALE, [pool.numpy()], "encoder")
    method = WhitenedPrototypes()
    chosen = Evidence(
        text, SCALE, support_features=support.features, support_labels=support.labels, pool=statistics
    )
    assert "real images would" in method.fit_says(method.fit(chosen))
    drawn = Evidence(text, SCALE, support_features=support.features, support_labels=support.labels)
    assert method.fit_says(method.fit(drawn)) == ""


def believable(classes: int, width: int = 32) -> Evidence:
    """Evidence whose pool holds images near the prompts among others, and none for the last class."""
    text = unit(classes, width, seed=0)
    near = text[:-1].repeat(40, 1) + 0.15 * unit(40 * (classes - 1), width, seed=1, common=0.0)
    pool = torch.nn.functional.normalize(torch.cat([near, unit(200, width, seed=2)]), dim=1)
    made = evidence(text, pool)
    assert made.support_labels is not None
    assert made.support_features is not None
    kept = made.support_labels < classes - 1
    return replace(
        made, support_features=made.support_features[kept], support_labels=made.support_labels[kept]
    )


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_each_class_says_how_far_its_images_are_trusted(method: Method) -> None:
    """One number a class between 0 and 1, 0 for a class without images; nothing where no pool was asked."""
    made = believable(6)
    state = method.fit(made)
    trust = method.class_trust(state)
    if trust:
        assert len(trust) == 6
        assert all(0 <= value <= 1 for value in trust)
        assert trust[-1] == 0
    assert trust or state.pool_trust == 1.0
    assert packaged(method, state, "fixed").class_trust == trust
    assert method.class_trust(method.fit(replace(made, pool=None))) == ()


def test_few_images_prove_less() -> None:
    """Two images that are certain, of a pool that is not, are no proof of two classes; sixteen a class, as certain, are."""
    text = torch.eye(2, 16)
    middle = torch.nn.functional.normalize(
        text.sum(dim=0, keepdim=True) + 1e-3 * unit(400, 16, seed=2), dim=1
    )
    pool = gather_pool_statistics(text, 20.0, [middle.numpy()], "encoder")
    few, many = (
        support_trust(text, 20.0, text.repeat(times, 1), torch.tensor([0, 1]).repeat(times), pool)
        for times in (1, 16)
    )
    assert min(few.evidence, many.evidence) > 0.9
    assert few.sigma == 0
    assert many.sigma == 1
    assert many.share - few.share == pytest.approx(1.2 / 2**0.5 - 1.2 / 32**0.5, abs=0.02)


def trust_in_images_of(centres: torch.Tensor, text: torch.Tensor) -> SupportTrust:
    """The trust in support from a pool that holds 40 images near each centre, and 2,000 others."""
    near = centres.repeat(40, 1) + 0.1 * torch.randn(
        40 * len(centres), 64, generator=torch.Generator().manual_seed(1)
    )
    pool = torch.nn.functional.normalize(torch.cat([near, 2 * unit(2000, 64, seed=2)]), dim=1)
    made = evidence(text, pool, per_class=16)
    return support_trust(text, SCALE, *made.support("test"), made.pool)


def test_images_of_no_asked_class_are_not_believed_for_being_sure() -> None:
    """Images half of their class and half of something unasked are as sure as real ones, and lie less far along the prompt."""
    text = unit(8, 64, seed=0)
    unasked = torch.nn.functional.normalize(text + 1.2 * unit(8, 64, seed=5), dim=1)
    real, near_miss = (trust_in_images_of(centres, text) for centres in (text, unasked))
    assert near_miss.evidence > 0.9
    assert real.lift > near_miss.lift
    assert (real.rho, near_miss.rho) == (1.0, 0.0)


def test_lift_does_not_depend_on_the_scale() -> None:
    """It compares cosines with cosines: an encoder with other logits has the same."""
    text, pool = unit(6, 32, seed=0), unit(600, 32, seed=1)
    made = evidence(text, pool)
    features, labels = made.support("test")
    one, other = (
        support_trust(text, scale, features, labels, made.pool, depth=8).lift for scale in (1e-3, 1e-2)
    )
    assert one == pytest.approx(other, rel=0.02)
