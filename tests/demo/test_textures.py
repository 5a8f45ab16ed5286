"""The procedural data set: names, determinism, separation of splits, and that categories look different."""

from __future__ import annotations

import numpy as np
import pytest

from susx.demo.textures import CATEGORIES, DRAW, SPLITS, contact_sheet, pictures, render
from susx.errors import InputError

DTD = [
    "banded",
    "blotchy",
    "braided",
    "bubbly",
    "bumpy",
    "chequered",
    "cobwebbed",
    "cracked",
    "crosshatched",
    "crystalline",
    "dotted",
    "fibrous",
    "flecked",
    "freckled",
    "frilly",
    "gauzy",
    "grid",
    "grooved",
    "honeycombed",
    "interlaced",
    "knitted",
    "lacelike",
    "lined",
    "marbled",
    "matted",
    "meshed",
    "paisley",
    "perforated",
    "pitted",
    "pleated",
    "polka-dotted",
    "porous",
    "potholed",
    "scaly",
    "smeared",
    "spiralled",
    "sprinkled",
    "stained",
    "stratified",
    "striped",
    "studded",
    "swirly",
    "veined",
    "waffled",
    "woven",
    "wrinkled",
    "zigzagged",
]


def test_the_categories_are_those_of_dtd_in_its_order() -> None:
    """The label of a category is its place in DTD's alphabetical list of 47."""
    assert list(CATEGORIES) == DTD
    assert list(CATEGORIES) == sorted(CATEGORIES)


def test_every_category_is_drawn_by_the_function_of_its_name() -> None:
    """The catalogue pairs each word with the generator of that word, so no label is swapped."""
    assert {name: draw.__name__ for name, draw in DRAW.items()} == {
        n: n.replace("-", "_") for n in CATEGORIES
    }


@pytest.mark.parametrize("split", sorted(SPLITS))
@pytest.mark.parametrize("category", CATEGORIES)
def test_a_picture_is_the_same_whenever_it_is_drawn(category: str, split: str) -> None:
    """A picture depends on its own seed only, and has pixels of more than one tone."""
    first = render(category, SPLITS[split], split, 3)
    render("banded", SPLITS[split], split, 0)
    again = render(category, SPLITS[split], split, 3)
    assert first.shape == (64, 64, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert first.std() > 1.5


@pytest.mark.parametrize("size", [32, 96])
def test_a_picture_can_have_another_size(size: int) -> None:
    """Size is a parameter: every category draws at half and at one and a half times the usual one."""
    for category in CATEGORIES:
        assert render(category, "web", "pool", 0, size).shape == (size, size, 3)


def test_splits_share_no_picture() -> None:
    """No picture occurs twice, within a split or across splits."""
    seen = {
        render(category, domain, split, index).tobytes()
        for split, domain in SPLITS.items()
        for category in CATEGORIES
        for index in range(3)
    }
    assert len(seen) == len(SPLITS) * len(CATEGORIES) * 3


def test_target_splits_are_camera_pictures_only() -> None:
    """Asking for test pictures from the web domain, or pool pictures from a camera, is refused."""
    for domain, split in (("web", "test"), ("web", "val"), ("camera", "pool"), ("camera", "train")):
        with pytest.raises(InputError, match=split):
            render("banded", domain, split, 0)


def test_an_unknown_category_is_refused_with_the_nearest_name() -> None:
    """A misspelt category names the one that was meant."""
    with pytest.raises(InputError, match="chequered"):
        render("checkered", "web", "pool", 0)


def test_drawing_many_equals_drawing_one_by_one() -> None:
    """Worker processes change nothing: picture i has category i mod 47 and its own seed."""
    many = pictures("val", 520, workers=2)
    for index in (0, 46, 47, 511, 519):
        one = render(CATEGORIES[index % 47], "camera", "val", index)
        np.testing.assert_array_equal(many[index], one)


def test_camera_pictures_are_duller_than_web_pictures() -> None:
    """The domains differ as said: less contrast in camera pictures, averaged over all categories."""
    web = np.mean([render(c, "web", "pool", i).std() for c in CATEGORIES for i in range(3)])
    camera = np.mean([render(c, "camera", "val", i).std() for c in CATEGORIES for i in range(3)])
    assert camera < 0.8 * web


def test_the_contact_sheet_shows_every_category() -> None:
    """The sheet has a labelled row of pictures for each of the 47."""
    sheet = contact_sheet("val", per_category=1, columns=8, zoom=1)
    assert sheet.size == (8 * 76, 6 * 80)
