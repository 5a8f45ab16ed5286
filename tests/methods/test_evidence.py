"""Bad evidence is handled or refused by name."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import pytest
import torch

from susx.errors import ConfigError, InputError, MismatchError, NoSupportError
from susx.methods import Calip, Evidence, ImageFeatures, TipAdapter, TipX, WhitenedPrototypes, ZeroShot

EYE = torch.eye(4)


@pytest.mark.parametrize("method", [TipAdapter(), TipX()], ids=["tip_adapter", "tip_x"])
@pytest.mark.parametrize(
    "support", [{}, {"support_features": EYE[:0], "support_labels": torch.zeros(0).long()}]
)
def test_no_support_names_the_way_out(method: Any, support: dict[str, torch.Tensor]) -> None:
    """Without any support image the error names the method and what to do."""
    with pytest.raises(NoSupportError, match=rf"{method.name} .* zero_shot"):
        method.fit(Evidence(EYE, **support))


@pytest.mark.parametrize("label", [-1, 4])
def test_label_outside_the_class_list_is_refused(label: int) -> None:
    """A support label outside the class list is refused with its row."""
    with pytest.raises(InputError, match=rf"support labels.*row 1 says {label}"):
        Evidence(EYE, support_features=EYE[:2], support_labels=torch.tensor([0, label]))


def test_duplicate_class_names_are_refused() -> None:
    """Two classes of one name cannot be told apart."""
    with pytest.raises(InputError, match="'crane'"):
        Evidence(EYE, class_names=("crane", "dog", "crane", "cat"))


def test_no_class_is_refused() -> None:
    """A text classifier without rows is refused."""
    with pytest.raises(InputError, match="at least one class"):
        Evidence(EYE[:0])


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: TipAdapter(alpha=-0.1), "alpha .*-0.1"),
        (lambda: TipAdapter(beta=-1.0), "beta .*-1"),
        (lambda: TipX(gamma=-2.0), "gamma .*-2"),
        (lambda: TipX(alpha=float("nan")), "alpha .*nan"),
        (lambda: TipX(temperature=0.0), "temperature .*greater than 0.*0.0"),
        (lambda: Calip(temperature=0.0), "temperature"),
        (lambda: TipX(nominal=-3.0), "nominal"),
        (lambda: TipAdapter(weighting="bogus"), "weighting must be one of mean, sum"),
    ],
)
def test_hyper_parameters_outside_their_domain_are_refused(make: Any, found: str) -> None:
    """Negative weights, a temperature of 0 and contradictory switches are refused by name."""
    with pytest.raises(ConfigError, match=found):
        make()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 0.0])
def test_unusable_rows_are_refused(bad: float) -> None:
    """A NaN, infinite or zero row is refused with its number."""
    rows = EYE.clone()
    rows[2] = bad
    with pytest.raises(InputError, match="row 2"):
        ImageFeatures(rows)
    with pytest.raises(InputError, match=r"support features.*row 2"):
        Evidence(EYE, support_features=rows, support_labels=torch.arange(4))


def test_rows_of_another_scale_are_normalised_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Rows that are not of unit norm are normalised, and it is said."""
    with caplog.at_level(logging.WARNING):
        query = ImageFeatures(EYE * 7)
    assert torch.equal(query.pooled, EYE)
    assert "query features" in caplog.text
    assert "normalised" in caplog.text


def test_rounded_rows_are_normalised_silently(caplog: pytest.LogCaptureFixture) -> None:
    """What half precision rounds off is no reason for a warning."""
    rows = torch.nn.functional.normalize(torch.randn(8, 33, generator=torch.Generator().manual_seed(0)))
    query = ImageFeatures(rows.bfloat16())
    assert (query.pooled.norm(dim=-1) - 1).abs().max() < 1e-6
    assert not caplog.records


def test_widths_that_do_not_fit_are_refused() -> None:
    """Features of another width come from another encoder, and it is said which is which."""
    with pytest.raises(MismatchError, match=r"support features have 4 columns.*has 3"):
        Evidence(torch.eye(3), support_features=EYE, support_labels=torch.zeros(4).long())
    with pytest.raises(MismatchError, match="4 columns"):
        ZeroShot().logits(ZeroShot().fit(Evidence(torch.eye(3))), ImageFeatures(EYE))
    with pytest.raises(MismatchError, match="support labels have 3 rows"):
        Evidence(EYE, support_features=EYE, support_labels=torch.arange(3))
    with pytest.raises(MismatchError, match="go together"):
        Evidence(EYE, support_features=EYE)


def test_calip_without_patches_is_refused() -> None:
    """CALIP says what it misses when the encoder yields no patches."""
    with pytest.raises(InputError, match=r"calip.*patch"):
        Calip().logits(Calip().fit(Evidence(EYE)), ImageFeatures(EYE))


def test_evidence_has_no_slot_for_test_data() -> None:
    """No field of the evidence can hold test images or test labels."""
    assert not [name for name in Evidence.__dataclass_fields__ if "test" in name or "query" in name]


def test_what_follows_from_evidence_is_made_once() -> None:
    """By name, and by this evidence alone: a part of it makes its own."""
    given = Evidence(torch.eye(3), support_features=torch.eye(3), support_labels=torch.arange(3))
    made: list[str] = []

    def make(words: str) -> str:
        made.append(words)
        return words

    assert [given.derived("a", lambda: make("first")) for _ in range(2)] == ["first", "first"]
    part = given.support_part(torch.tensor([True, False, True]))
    assert part.derived("a", lambda: make("part")) == "part"
    assert given.derived("b", lambda: make("other")) == "other"
    assert made == ["first", "part", "other"]


@pytest.mark.parametrize("method", [TipX(), WhitenedPrototypes()], ids=str)
def test_shared_work_changes_no_fit(method: Any) -> None:
    """A fit beside others on the same evidence is the fit on evidence of its own."""
    rows = torch.nn.functional.normalize(torch.randn(12, 6, generator=torch.Generator().manual_seed(0)))
    given = Evidence(rows[:3], support_features=rows[3:], support_labels=torch.arange(9) % 3)
    method.with_values({axis.name: 2.0 for axis in method.axes}).fit(given)
    again, alone = method.fit(given), method.fit(dataclasses.replace(given))
    for field in dataclasses.fields(alone):
        first, second = getattr(again, field.name), getattr(alone, field.name)
        assert torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second
