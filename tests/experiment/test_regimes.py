"""Folders that are drawn from a data set."""

from __future__ import annotations

import pytest
import torch

from susx.errors import ConfigError, InputError
from susx.experiment.regimes import check_regime, draw_folder

LABELS = torch.arange(400) % 10


def draw(regime: str, number: int = 1, **options):
    return draw_folder(regime, LABELS, 10, 0, number, **options)


def test_each_regime_is_what_it_says() -> None:
    """All; a fifth of the classes; a number; uneven classes, half as many; nothing twice, nothing from outside."""
    assert draw("all").images.tolist() == list(range(400))
    assert len(LABELS[draw("fifth").images].unique()) == 2
    assert len(draw("fifth").images) == 80
    assert len(draw("64").images) == 64
    counts = torch.bincount(LABELS[draw("unbalanced").images], minlength=10)
    assert int(counts.max()) > 2 * int(counts.min()) + 5
    assert 100 < len(draw("unbalanced").images) <= 205
    for regime in ("fifth", "64", "unbalanced", "stream"):
        folder = draw(regime)
        assert len(folder.images.unique()) == len(folder.images)
        assert sorted(folder.order.tolist()) == list(range(len(folder.images)))


def test_draws_are_seeded() -> None:
    """The same number is the same folder, another number another one."""
    for regime in ("64", "fifth", "unbalanced", "stream"):
        one, again, other = draw(regime), draw(regime), draw(regime, 2)
        assert torch.equal(one.images, again.images)
        assert torch.equal(one.order, again.order)
        assert not (torch.equal(one.images, other.images) and torch.equal(one.order, other.order))


def test_three_in_ten_are_outsiders() -> None:
    """Also where there are few strangers: then the folder is smaller."""
    strangers = torch.arange(1000)
    for count in (1000, 30):
        folder = draw("outsiders", strangers=strangers[:count])
        share = len(folder.strangers) / (len(folder.images) + len(folder.strangers))
        assert share == pytest.approx(0.3, abs=0.01)
    assert len(draw("outsiders", strangers=strangers).images) == 400


def test_streams_have_an_order() -> None:
    """Class after class, or at random; a method that reads an order gets one in every regime."""
    by_class = draw("stream-by-class")
    labels = LABELS[by_class.images[by_class.order]]
    assert len(torch.unique_consecutive(labels)) == 10
    assert draw("all", shuffled=True).order.tolist() != list(range(400))
    mixed = draw("outsiders", strangers=torch.arange(200), shuffled=True)
    assert int((mixed.order[:50] >= len(mixed.images)).sum()) > 5


def test_what_cannot_be_drawn_is_said() -> None:
    """More images than there are, no strangers, an unknown name."""
    with pytest.raises(InputError, match="500 images was asked for, and the split has 400"):
        draw("500")
    with pytest.raises(InputError, match="key 'outsiders'"):
        draw("outsiders")
    with pytest.raises(ConfigError, match=r"no regime 'fith'\. Did you mean 'fifth'"):
        check_regime("fith")
    for no_number in ("\u00b2", "1\u00bd", "-3", "0"):
        with pytest.raises(ConfigError, match="or a number of images"):
            check_regime(no_number)
    assert check_regime("64") == "64"
