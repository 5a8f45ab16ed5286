"""Which cells an experiment has."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from susx.errors import ConfigError
from susx.experiment.cell import Cell, measure_cell
from susx.experiment.cell_grid import Grid, cells_of, parse_access
from susx.experiment.data import DataSet
from susx.features.feature_folder import read_features
from susx.methods.access import Access
from tests.commands.test_features_command import folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """Five classes with eight labelled images each, validation, test and a pool."""
    import numpy as np

    root = tmp_path_factory.mktemp("grid")
    held = read_features(folder(root / "f"))
    (root / "pool").mkdir()
    assert held.validation is not None
    np.save(root / "pool" / "features.npy", held.validation.features.numpy())
    return DataSet("made", held, root / "pool", 4)


def summary(cells: tuple[Cell, ...]) -> list[tuple[object, ...]]:
    return [(c.method, c.tuning, "+".join(c.access), c.shots, c.draw, c.regime) for c in cells]


def grid(*methods: str, access: tuple[str, ...] = (), **options) -> Grid:
    return Grid([(name, {}) for name in methods], [parse_access(entry) for entry in access], **options)


def test_a_method_is_measured_once_with_what_it_looks_at(data: DataSet) -> None:
    """Zero-shot looks at names whatever is granted; nothing that is not drawn has draws; the reference is always there."""
    cells = cells_of(grid("tip_adapter", access=("pool", "shots"), shots=(2, 8), draws=2), {"made": data})
    assert summary(cells) == [
        ("zero_shot", "fixed", "names", None, None, "all"),
        ("tip_adapter", "fixed", "names+pool", None, None, "all"),
        ("tip_adapter", "fixed", "names+shots", 2, 1, "all"),
        ("tip_adapter", "fixed", "names+shots", 2, 2, "all"),
        ("tip_adapter", "fixed", "names+shots", 8, None, "all"),
    ]


def test_without_a_list_of_access_there_is_all_the_data_hold(data: DataSet) -> None:
    """Names, pool and shots, each with the folder; validation under val alone."""
    cells = cells_of(grid("tip_adapter", "folder_prototypes", tuning=("fixed", "val")), {"made": data})
    access = {(c.method, c.tuning, "+".join(c.access)) for c in cells}
    assert ("folder_prototypes", "fixed", "names+pool+folder") in access
    assert ("tip_adapter", "val", "names+pool+validation") in access
    assert ("tip_adapter", "fixed", "names+shots") in access
    assert not any("folder" in entry for name, _, entry in access if name == "tip_adapter")


def test_regimes_are_drawn_and_shared_by_all_methods(data: DataSet) -> None:
    """Cells of one fit stand together, so that it is fitted once."""
    cells = cells_of(grid("tip_adapter", access=("pool",), regimes=("all", "64"), draws=2), {"made": data})
    assert [(c.method, c.regime, c.draw) for c in cells] == [
        (name, regime, draw) for name in ("zero_shot", "tip_adapter") for regime, draw in (("all", None), ("64", 1), ("64", 2))
    ]  # fmt: skip
    same = [measure_cell(cell, data) for cell in cells if cell.draw == 2]
    assert torch.equal(same[0].images, same[1].images)


@pytest.mark.parametrize(
    ("access", "method", "words"),
    [
        (("names",), "tip_adapter", "works with nothing of what is granted .*Grant pool or shots"),
        (("pool",), "folder_prototypes", "Grant folder or stream"),
    ],
)
def test_a_method_without_any_cell_is_refused(
    data: DataSet, access: tuple[str, ...], method: str, words: str
) -> None:
    """Left out without a word it would look as if it had been measured."""
    with pytest.raises(ConfigError, match=words):
        cells_of(grid(method, access=access), {"made": data})
    with pytest.raises(ConfigError, match=r"no access 'labels'.*names, pool"):
        parse_access("pool + labels")


def test_evidence_is_what_is_granted_and_nothing_else(data: DataSet) -> None:
    """Pool: unlabelled support and statistics. Shots: labelled support alone. Validation only where it is granted."""
    names: tuple[Access, ...] = ("names",)
    alone = data.evidence(names, None, None, 0)
    assert (alone.has_support, alone.pool, alone.has_validation) == (False, None, False)
    pool = data.evidence((*names, "pool"), None, None, 0)
    assert pool.pool is not None
    assert not pool.has_labelled
    shots = data.evidence((*names, "shots", "validation"), 2, 1, 0)
    assert (shots.pool, len(shots.support("it")[1]), shots.has_validation) == (None, 10, True)
    assert shots.support_labelled is not None
    assert bool(shots.support_labelled.all())
    both = data.evidence((*names, "pool", "shots"), 2, 1, 0)
    assert both.support_labelled is not None
    assert both.support_labelled.tolist() == [True] * 10 + [False] * (len(both.support_labelled) - 10)


def test_a_cell_is_the_method_on_that_evidence(data: DataSet, tmp_path: Path) -> None:
    """Logits, record and looks at labels agree with the library's own parts."""
    from susx.experiment.fit_trial import fit_trial
    from susx.experiment.trials import Trial
    from susx.methods import ImageFeatures, TipAdapter

    cell = Cell(
        "made", "tip_adapter", {"alpha": 2.0}, "val", ("names", "shots", "validation"), shots=2, draw=1
    )
    measured = measure_cell(cell, data)
    fitted = fit_trial(Trial(TipAdapter(alpha=2.0), "val"), data.evidence(cell.access, 2, 1, 0))
    test = data.features.test
    assert test is not None
    expected = fitted.fitted.logits(ImageFeatures(test.features))
    assert torch.equal(measured.logits, expected)
    assert measured.row.hyper_parameters == fitted.choice.hyper_parameters
    assert (measured.row.labelled_images, measured.row.validation_images) == (10, 100)
    assert measured.row.looks == fitted.choice.searched > 0
