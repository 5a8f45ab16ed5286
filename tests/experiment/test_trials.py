"""Which methods run under which protocols, and which is the product."""

from __future__ import annotations

import pytest

from susx.errors import ConfigError
from susx.experiment import choose_headline, needs_of, trials_of
from susx.methods import REFERENCE, Need
from susx.methods.registry import DEFAULTS

BOTH = {"tip_adapter": {}, "tip_x": {"alpha": 2}}
ALL = ("fixed", "support", "val")


def names(trials) -> list[str]:
    return [trial.name for trial in trials]


def test_every_method_runs_under_every_protocol_that_applies():
    """The reference comes first, unasked; a method without axes runs once; val needs validation images."""
    assert names(trials_of(BOTH, ALL, validation=True)) == [
        "zero_shot/fixed",
        *(f"tip_adapter/{protocol}" for protocol in ALL),
        *(f"tip_x/{protocol}" for protocol in ALL),
    ]
    assert names(trials_of({"tip_x": {}}, ALL, validation=False)) == [
        "zero_shot/fixed",
        "tip_x/fixed",
        "tip_x/support",
    ]
    assert names(trials_of({REFERENCE: {}}, ALL, validation=True)) == [f"{REFERENCE}/fixed"]
    assert [n for n in names(trials_of({}, ("fixed",), validation=True))] == [
        f"{name}/fixed" for name in DEFAULTS
    ]


@pytest.mark.parametrize(
    ("tuning", "asked", "chosen"),
    [
        (ALL, "", "tip_x/fixed"),
        (("fixed",), "", "tip_x/fixed"),
        (("val",), "", "tip_x/val"),
        (ALL, "tip_x/val", "tip_x/val"),
        (ALL, "tip_adapter", "tip_adapter/fixed"),
        (("support",), "zero_shot", "zero_shot/fixed"),
    ],
)
def test_the_headline_is_what_was_asked_for(tuning, asked, chosen):
    """One rule: what was named, else the last method listed, by the protocol that looks at least."""
    assert choose_headline(trials_of(BOTH, tuning, validation=True), asked).name == chosen


@pytest.mark.parametrize("asked", ["tip_x/val", "calip", "best"])
def test_a_headline_that_is_not_fitted_is_refused(asked):
    """tuning=[support] headline=val once shipped zero-shot; now what is fitted is listed."""
    with pytest.raises(
        ConfigError, match=rf"'{asked}' is not among what is fitted: zero_shot/fixed, .*tip_x/support"
    ):
        choose_headline(trials_of(BOTH, ("support",), validation=True), asked)


@pytest.mark.untyped
@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ({"tipx": {}}, "Did you mean 'tip_x'"),
        ({"tip_x": {"alhpa": 1}}, "it has alpha, beta, gamma"),
        ({"tip_x": {"alpha": -1}}, "alpha must be a finite number 0 or greater"),
        ({"tip_x": {"alpha": "much"}}, "alpha must be a finite number"),
        ({"zero_shot": {"alpha": 1}}, "it has none"),
    ],
)
def test_hyper_parameters_are_checked_by_the_method_itself(methods, words):
    """An unknown method or field, or a value outside its domain, is refused before any work."""
    with pytest.raises(ConfigError, match=words):
        trials_of(methods, ALL, validation=True)


def test_needs_are_joined():
    """What a build computes is what its methods need together."""
    assert needs_of(trials_of(BOTH, ALL, validation=True)) == {Need.SUPPORT}
    assert needs_of(trials_of({**BOTH, "calip": {}}, ALL, validation=True)) == {Need.SUPPORT, Need.PATCHES}
