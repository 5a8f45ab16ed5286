"""Other people's numbers are whole, attributed, and about data sets that susx knows."""

from __future__ import annotations

from pathlib import Path

from susx.report import published_for, published_numbers

DATASETS = Path(__file__).parents[2] / "configs" / "datasets"


def test_every_number_has_an_owner() -> None:
    """A number is a fraction with data set, backbone, method and source; none is given twice."""
    numbers = published_numbers()
    assert len(numbers) > 300
    for number in numbers:
        assert 0 < number.value < 1
        assert number.source
        assert number.backbone
        assert (DATASETS / f"{number.dataset}.yaml").is_file()
    keys = [(n.dataset, n.backbone, n.method, n.setting, n.source) for n in numbers]
    assert len(set(keys)) == len(keys)


def test_sources_that_disagree_are_all_shown() -> None:
    """Zero-shot RN50 on DTD is three numbers by three sources, not one."""
    found = {(n.source.split()[0], n.value) for n in published_for("dtd")
             if n.backbone == "RN50" and n.method == "zero-shot CLIP"}  # fmt: skip
    assert found == {("Tip-Adapter", 0.422), ("GDA", 0.4232), ("open_clip,", 0.4154)}


def test_known_cell_and_unknown_data_set() -> None:
    """TIP-X with 16 shots on DTD is 63.53 in its log; a data set without numbers has none."""
    (cell,) = (n for n in published_for("dtd") if n.method == "TIP-X, 16-shot")
    assert cell.value == 0.6353
    assert published_for("textures") == ()
