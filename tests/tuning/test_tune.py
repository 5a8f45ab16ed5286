"""Tuning protocols: what they choose from, what they never look at."""

from __future__ import annotations

import dataclasses
import itertools
import os
from pathlib import Path

import pytest
import torch

from susx.errors import ConfigError, InputError, NoSupportError
from susx.features.feature_folder import read_features
from susx.features.pool_search import nearest_rows, read_pool
from susx.methods import METHODS, Calip, Evidence, ImageFeatures, TipAdapter, TipX, TipXPublished, ZeroShot
from susx.tuning import tune
from susx.tuning.folds import support_folds

REAL = os.environ.get("SUSX_REAL_DATA")
DIM, CLASSES = 12, 4
GRID = {"gamma": (0.0, 0.5, 4.0), "alpha": (0.0, 0.5, 2.0, 8.0), "beta": (1.0, 3.0, 9.0)}


def grid_of(method) -> dict[str, tuple[float, ...]]:
    """The small grid over the axes of a method."""
    return {axis.name: GRID[axis.name] for axis in method.axes}


def rows(labels: torch.Tensor, centres: torch.Tensor, seed: int, noise: float = 0.6) -> torch.Tensor:
    """Rows around the centre of their class."""
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(
        centres[labels] + noise * torch.randn(len(labels), DIM, generator=generator)
    )


def evidence(seed: int = 0, *, support_labels: list[int] | None = None) -> Evidence:
    """Prompts that are poor, support and validation that share the true centres."""
    centres = torch.nn.functional.normalize(
        torch.randn(CLASSES, DIM, generator=torch.Generator().manual_seed(seed))
    )
    text = torch.nn.functional.normalize(
        centres + 0.5 * torch.randn(CLASSES, DIM, generator=torch.Generator().manual_seed(seed + 1))
    )
    support = torch.tensor(support_labels) if support_labels else torch.arange(CLASSES).repeat_interleave(6)
    validation = torch.arange(CLASSES).repeat_interleave(20)
    return Evidence(
        text_classifier=text,
        logit_scale=10.0,
        support_features=rows(support, centres, seed + 2),
        support_labels=support,
        validation_features=rows(validation, centres, seed + 3),
        validation_labels=validation,
    )


def correct(method, given: Evidence) -> int:
    assert given.validation_features is not None
    assert given.validation_labels is not None
    logits = method.logits(method.fit(given), ImageFeatures(given.validation_features))
    return int((logits.argmax(dim=1) == given.validation_labels).sum())


@pytest.mark.parametrize("name", sorted(METHODS))
def test_fixed_uses_no_data(name: str) -> None:
    """The fixed protocol returns the method's own values, whatever the evidence."""
    method, result = tune(name, Evidence(torch.eye(3)), "fixed")
    assert method == METHODS[name]()
    assert result.correct is None
    assert result.protocol == "fixed"


@pytest.mark.parametrize("template", [TipAdapter(), TipX(), TipX(weighting="sum")], ids=str)
@pytest.mark.parametrize("support", [None, [0, 0, 0, 1, 1, 3]], ids=["balanced", "unequal"])
def test_val_takes_the_best_point_of_the_grid(template, support: list[int] | None) -> None:
    """The chosen point is the best of all when each is fitted and counted by itself, ties to the smallest."""
    given = evidence(support_labels=support)
    grid = grid_of(template)
    chosen, result = tune(template, given, "val", grid=grid)
    best: tuple[int, dict[str, float]] = (-1, {})
    for point in itertools.product(*grid.values()):
        values = dict(zip(grid, point, strict=True))
        count = correct(template.with_values(values), given)
        if count > best[0]:
            best = (count, values)
    assert result.correct == best[0] == correct(chosen, given)
    assert result.hyper_parameters == best[1]


def test_published_search_matches_the_published_method() -> None:
    """Searching with the published switch counts what the published method then reaches on the same batch."""
    given = evidence()
    chosen, result = tune(TipXPublished(), given, "val", grid=GRID)
    assert correct(chosen, given) == result.correct


@pytest.mark.parametrize("name", ["tip_adapter", "tip_x"])
def test_support_never_looks_at_validation(name: str) -> None:
    """Name-only tuning chooses the same without validation rows and with nonsense in them."""
    given = evidence()
    assert given.validation_labels is not None
    without = dataclasses.replace(given, validation_features=None, validation_labels=None)
    nonsense = dataclasses.replace(given, validation_labels=given.validation_labels.flip(0))
    chosen = [tune(name, e, "support")[0] for e in (given, without, nonsense)]
    assert chosen[0] == chosen[1] == chosen[2]


def test_support_finds_a_useful_cache() -> None:
    """With support that is better than the prompts, K-fold gives it weight, and validation confirms it."""
    given = evidence(5)
    chosen, result = tune("tip_adapter", given, "support")
    assert chosen.alpha > 0
    assert result.total == 24
    assert correct(chosen, given) > correct(ZeroShot(), given)


def test_support_leaves_the_row_itself_out() -> None:
    """Labels that are noise cannot be found back: were a row in its own cache, accuracy would be perfect."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, CLASSES, (60,), generator=generator)
    features = torch.nn.functional.normalize(torch.randn(60, DIM, generator=generator))
    copies = Evidence(torch.eye(CLASSES, DIM), support_features=features, support_labels=labels)
    _, result = tune("tip_adapter", copies, "support")
    assert result.correct is not None
    assert result.total is not None
    assert result.correct / result.total < 0.6


def test_copies_of_an_image_share_a_fold() -> None:
    """One image retrieved for several classes is held out from all of them at once."""
    features = torch.nn.functional.normalize(torch.randn(6, DIM)).repeat(2, 1)
    fold = support_folds(features, torch.tensor([0] * 6 + [1] * 6), 3, seed=4)
    assert torch.equal(fold[:6], fold[6:])
    assert torch.bincount(fold, minlength=3).tolist() == [4, 4, 4]


def test_shrinkage_ends_at_the_fixed_values() -> None:
    """Shrinkage 1 is the fixed protocol's choice, 0 the search's, one half lies between."""
    given = evidence(5)
    free, half, full = (tune("tip_x", given, "support", shrinkage=s)[0] for s in (0.0, 0.5, 1.0))
    assert full.alpha == TipX().alpha
    assert full.gamma == TipX().gamma
    assert full.beta == pytest.approx(TipX().beta)
    assert half.alpha == pytest.approx((free.alpha + full.alpha) / 2)


def test_one_image_per_class_keeps_the_fixed_values() -> None:
    """With nothing to hold out, the fixed values stay and the result says so."""
    chosen, result = tune("tip_x", evidence(support_labels=[0, 1, 2, 3]), "support")
    assert chosen == TipX()
    assert "No class has two" in result.note


def test_calip_is_tuned_on_patches() -> None:
    """CALIP's two weights are searched where there are patches, and refused by name where there are none."""
    given = evidence()
    assert given.validation_features is not None
    with pytest.raises(InputError, match=r"calip.*patch"):
        tune("calip", given, "val")
    patched = dataclasses.replace(
        given, validation_patches=given.validation_features[:, None].repeat(1, 3, 1)
    )
    chosen, result = tune("calip", patched, "val")
    assert isinstance(chosen, Calip)
    assert result.correct is not None
    assert result.correct >= correct(ZeroShot(), given)


def test_what_is_missing_is_named() -> None:
    """Unknown names, missing splits and impossible settings are refused with what to do."""
    given = evidence()
    with pytest.raises(ConfigError, match="Did you mean 'tip_x'"):
        tune("tipx", given, "fixed")
    with pytest.raises(ConfigError, match="no tuning protocol 'valid'"):
        tune("tip_x", given, "valid")
    with pytest.raises(InputError, match="labelled validation"):
        tune("tip_x", dataclasses.replace(given, validation_features=None, validation_labels=None), "val")
    with pytest.raises(NoSupportError, match="zero_shot"):
        tune("tip_x", Evidence(torch.eye(3)), "support")
    with pytest.raises(ConfigError, match="shrinkage"):
        tune("tip_x", given, "support", shrinkage=1.5)


@pytest.mark.skipif(REAL is None, reason="SUSX_REAL_DATA is not set: no real features to measure on")
def test_real_textures_reach_the_published_search() -> None:
    """DTD with 16 pool images a class: zero-shot 44.80 %, TIP-X tuned on val at least the published 45.04 %."""
    root = Path(str(REAL)) / "clip-vit-b-32"
    held, pool = read_features(root / "dtd"), read_pool(root / "pool")
    assert held.test is not None
    assert held.validation is not None
    _, nearest = nearest_rows(held.text, pool, 16)  # by cosine, as the published number
    given = Evidence(
        held.text,
        support_features=pool[nearest.flatten()],
        support_labels=torch.arange(len(held.text)).repeat_interleave(16),
        validation_features=held.validation.features,
        validation_labels=held.validation.labels,
    )

    def accuracy(method) -> float:
        logits = method.logits(method.fit(given), ImageFeatures(held.test.features))
        return 100 * float((logits.argmax(dim=1) == held.test.labels).float().mean())

    assert round(accuracy(ZeroShot()), 2) == 44.80
    assert accuracy(tune("tip_x", given, "val")[0]) >= 45.03
    for name in ("tip_adapter", "tip_x"):
        assert accuracy(tune(name, given, "support")[0]) >= 44.80 - 0.3
