"""A trial sees what its protocol may see."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from susx.errors import InputError
from susx.experiment import Trial
from susx.experiment.fit import fit_trial
from susx.experiment.rows import usable_methods
from susx.features.feature_set import Split
from susx.methods import Evidence, TipX, TipXPublished


def unit(rows: int, seed: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(rows, 8, generator=torch.Generator().manual_seed(seed)))


def evidence() -> Evidence:
    return Evidence(
        unit(3, 0), 100.0, unit(9, 1), torch.arange(9) % 3,
        validation_features=unit(6, 2), validation_labels=torch.arange(6) % 3,
    )  # fmt: skip


@pytest.mark.parametrize("tuning", ["fixed", "support"])
def test_name_only_protocols_never_see_validation(tuning):
    """The fit itself is kept from validation rows, not the search alone: a method that wants them is refused."""
    with pytest.raises(InputError, match="no validation"):
        fit_trial(Trial(TipXPublished(slips=True), tuning), evidence())
    assert fit_trial(Trial(TipXPublished(slips=True), "val"), evidence()).choice.protocol == "val"


def test_zero_shot_is_kept_beside_the_state():
    """The reference of a fitted method is its class prompts, whatever text its state uses."""
    result = fit_trial(Trial(TipX(), "fixed"), evidence())
    assert torch.equal(result.fitted.zero_shot.text, evidence().text_classifier)


def test_patches_of_both_are_needed():
    """A test split with patches and a support without them leaves the patch method out instead of aborting."""
    patches = unit(6, 3)[:, None]
    test = Split(unit(6, 3), torch.arange(6) % 3, patches)
    assert "calip" not in usable_methods((), evidence(), test)
    both = dataclasses.replace(evidence(), support_patches=unit(9, 1)[:, None])
    assert "calip" in usable_methods((), both, test)
    assert "tip_x_published" not in usable_methods((), both, test)
