"""Ablations measure what their names say, without touching what was chosen."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from susx.errors import InputError, MismatchError, NoSupportError
from susx.evaluation import (
    accuracy_plane,
    columns_of,
    support_size_curve,
    take_shots,
    term_ablation,
)
from susx.methods import Axis, Evidence, ImageFeatures, Method, Run, TipAdapter, TipX, ZeroShot
from susx.methods.zero_shot import ZeroShotState

CLASSES, DIM, SHOTS = 6, 16, 8


@pytest.fixture(scope="module")
def world() -> tuple[Evidence, ImageFeatures, torch.Tensor]:
    """A classifier by prompts that is half right, support that helps, and 150 test images."""
    generator = torch.Generator().manual_seed(0)

    def noise(n: int) -> torch.Tensor:
        return torch.randn(n, DIM, generator=generator)

    centres = normalize(noise(CLASSES), dim=1)
    text = normalize(centres + 0.4 * noise(CLASSES), dim=1)
    labels = torch.arange(CLASSES).repeat_interleave(SHOTS)
    support = normalize(centres[labels] + 0.25 * noise(len(labels)), dim=1)
    test_labels = torch.arange(CLASSES).repeat(25)
    test = normalize(centres[test_labels] + 0.3 * noise(len(test_labels)), dim=1)
    names = tuple(f"class {i}" for i in range(CLASSES))
    evidence = Evidence(text, 100.0, support, labels, class_names=names)
    return evidence, ImageFeatures(test), test_labels


def _top1(method: Any, evidence: Evidence, query: ImageFeatures, labels: torch.Tensor) -> float:
    return float((method.logits(method.fit(evidence), query).argmax(1) == labels).double().mean())


def test_plane_is_every_pair_evaluated(world: tuple[Evidence, ImageFeatures, torch.Tensor]) -> None:
    """The shortcut over affine logits gives what fitting at each pair gives."""
    alphas, gammas = (0.0, 2.0, 30.0), (0.0, 5.0, 40.0)
    plane = accuracy_plane(TipX(), *world, ("alpha", alphas), ("gamma", gammas))
    for i, gamma in enumerate(gammas):
        for j, alpha in enumerate(alphas):
            assert plane.values[i][j] == pytest.approx(
                _top1(TipX(alpha=alpha, gamma=gamma), *world), abs=1 / 150
            )
    assert plane.values[0][0] == pytest.approx(_top1(ZeroShot(), *world))


def test_plane_of_a_method_that_is_not_affine(world: tuple[Evidence, ImageFeatures, torch.Tensor]) -> None:
    """A method whose logits bend in alpha is evaluated pair by pair."""

    @dataclasses.dataclass(frozen=True)
    class Bent(Method[ZeroShotState]):
        alpha: float = 0.0
        gamma: float = 0.0
        name = "bent"
        title = "Bent"
        state_type = ZeroShotState
        axes = (Axis("alpha", {}, term="one"), Axis("gamma", {}, term="other"))

        def fit(self, evidence: Evidence, run: Run = Run()) -> ZeroShotState:
            return ZeroShot().fit(evidence)

        def scores(self, state: ZeroShotState, pooled: torch.Tensor, patches: Any) -> torch.Tensor:
            return (pooled @ state.text.T) * (1 - self.alpha * self.gamma)

    plane = accuracy_plane(Bent(), *world, ("alpha", (0.0, 0.5, 3.0)), ("gamma", (0.0, 1.0)))
    right = _top1(Bent(), *world)
    worst = _top1(Bent(3.0, 1.0), *world)
    assert plane.values == ((right, right, right), (right, right, worst))
    assert worst < right


def test_plane_needs_both_hyper_parameters(world: tuple[Evidence, ImageFeatures, torch.Tensor]) -> None:
    """Tip-Adapter has no gamma, and the message says so."""
    with pytest.raises(InputError, match="gamma"):
        accuracy_plane(TipAdapter(), *world, ("alpha", (1.0,)), ("gamma", (1.0,)))


def test_a_term_left_out_is_its_weight_zero(world: tuple[Evidence, ImageFeatures, torch.Tensor]) -> None:
    """Leaving out a term keeps all else; TIP-X without the KL term is Tip-Adapter."""
    found = term_ablation(TipX(alpha=3.0, gamma=9.0), *world)
    assert found["all terms"].top1 == pytest.approx(_top1(TipX(alpha=3.0, gamma=9.0), *world))
    assert found["without the KL term"].top1 == pytest.approx(_top1(TipAdapter(alpha=3.0), *world))
    assert len(found) == 3


def test_support_curve_ends_at_the_whole_support(world: tuple[Evidence, ImageFeatures, torch.Tensor]) -> None:
    """The last point is the full support set; sizes no class reaches are left out; more support helps here."""
    evidence, query, labels = world
    curve = support_size_curve(
        lambda _: TipAdapter(alpha=20.0), evidence, query, labels, (1, 4, SHOTS, 64), 3
    )
    assert curve.sizes == (1, 4, SHOTS)
    assert curve.top1[-1] == pytest.approx(_top1(TipAdapter(alpha=20.0), *world))
    assert curve.top1[0] < curve.top1[-1]
    assert all(low <= y <= high for low, y, high in zip(curve.low, curve.top1, curve.high, strict=True))


def test_support_curve_tunes_at_each_size(world: tuple[Evidence, ImageFeatures, torch.Tensor]) -> None:
    """The factory sees only the shots of its size."""
    evidence, query, labels = world
    seen = []

    def make(part: Evidence) -> TipAdapter:
        assert part.support_labels is not None
        seen.append(torch.bincount(part.support_labels).tolist())
        return TipAdapter()

    support_size_curve(make, evidence, query, labels, (2, SHOTS), repeats=2)
    assert seen == [[2] * CLASSES, [2] * CLASSES, [SHOTS] * CLASSES]


def test_shots_are_derived_from_the_seed(world: tuple[Evidence, ImageFeatures, torch.Tensor]) -> None:
    """The same seed draws the same shots, another one others; rows keep their labels."""
    evidence, *_ = world
    one, same, other = (take_shots(evidence, 3, seed) for seed in (1, 1, 2))
    assert one.support_features is not None
    assert evidence.support_features is not None
    assert torch.equal(one.support_features, same.support_features)  # type: ignore[arg-type]
    assert not torch.equal(one.support_features, other.support_features)  # type: ignore[arg-type]
    for row, label in zip(one.support_features, one.support_labels, strict=True):  # type: ignore[arg-type]
        place = (evidence.support_features == row).all(dim=1).nonzero()[0, 0]
        assert evidence.support_labels is not None
        assert evidence.support_labels[place] == label


def test_no_support_is_refused(world: tuple[Evidence, ImageFeatures, torch.Tensor]) -> None:
    """A support curve of nothing is an error, not an empty figure."""
    evidence, query, labels = world
    bare = Evidence(evidence.text_classifier)
    with pytest.raises(NoSupportError):
        support_size_curve(lambda _: ZeroShot(), bare, query, labels)
    with pytest.raises(InputError, match="at least 1"):
        support_size_curve(lambda _: ZeroShot(), evidence, query, labels, (0,))


def test_unknown_class_is_named() -> None:
    """A class the method does not know cannot be scored."""
    with pytest.raises(MismatchError, match="'owl'"):
        columns_of(["cat", "dog"], ["dog", "owl"], "sketch")
