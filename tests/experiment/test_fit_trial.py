"""A trial sees what its protocol may see."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from susx.errors import InputError
from susx.experiment import Trial
from susx.experiment.fit_trial import fit_trial
from susx.experiment.result_rows import usable_methods
from susx.features.feature_set import Split
from susx.features.gather_pool import gather_pool_statistics
from susx.methods import Evidence, ImageFeatures, TipX, TipXPublished, WhitenedPrototypes
from susx.methods.state import load_fitted, save_fitted


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


def test_a_pool_has_no_say_where_validation_images_judge():
    """Under ``val`` a method that only reads the pool's word on the support is the published one."""
    statistics = gather_pool_statistics(evidence().text_classifier, 100.0, [unit(50, 7).numpy()], "")
    with_pool = dataclasses.replace(evidence(), pool=statistics)
    fitted, expected = (
        fit_trial(Trial(TipX(), "val"), given).fitted.state for given in (with_pool, evidence())
    )
    torch.testing.assert_close(fitted.weights, expected.weights)
    assert fitted.pool_trust == 1.0


def test_a_fit_on_labelled_images_alone_is_written_and_read(tmp_path):
    """Terms that nothing fills may be one tensor in memory; the file holds each."""
    labelled = Evidence(
        unit(3, 0), 100.0, unit(9, 1), torch.arange(9) % 3,
        support_labelled=torch.ones(9, dtype=torch.bool),
    )  # fmt: skip
    result = fit_trial(Trial(WhitenedPrototypes(), "fixed"), labelled)
    save_fitted(tmp_path / "fit.safetensors", result.fitted)
    query = ImageFeatures(unit(5, 4))
    read = load_fitted(tmp_path / "fit.safetensors")
    torch.testing.assert_close(read.logits(query), result.fitted.logits(query))
