"""The YAML files in configs/datasets."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from susx.config import config_names, find_config, load_dataset
from susx.config.spelling import plain
from susx.datasets.label_map import LabelMap

COUNTS = {
    "birdsnap": 500, "caltech101": 100, "caltech256": 257, "cifar10": 10, "cifar100": 100, "country211": 211,
    "cub": 200, "dtd": 47, "eurosat": 10, "fgvcaircraft": 100, "flowers102": 102, "food101": 101, "imagenet": 1000,
    "imagenet-r": 200, "imagenet-sketch": 1000, "oxfordpets": 37, "stanfordcars": 196, "sun397": 397, "ucf101": 101,
}  # fmt: skip


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_a_paper_data_set_has_its_published_number_of_classes(name, count):
    """All 19 are there, each with distinct names, a licence, a source and a reader."""
    config = load_dataset(name)
    assert len(config.classes) == len(set(config.classes)) == count
    assert config.licence
    assert config.source.startswith("http")
    assert config.readers


@pytest.mark.parametrize("name", config_names("datasets"))
def test_names_are_written_as_people_write_them(name):
    """No underscores or doubled blanks reach a prompt."""
    config = load_dataset(name)
    assert not [c for c in config.classes if "_" in c or "  " in c]
    assert not [h.search_name for h in config.hints.values() if h.search_name == ""]


@pytest.mark.parametrize("name", config_names("datasets"))
def test_folded_spellings_lead_to_one_class(name):
    """What a split file writes with underscores and capitals is found, and found right."""
    config = load_dataset(name)
    labels = LabelMap(config.classes, config.readers[0].class_map)
    for label, written in enumerate(config.classes):
        assert labels.find(written.replace(" ", "_")) == label
        assert labels.find(written.upper()) in (label, None)
        assert plain(written)


def test_photo_prompts_are_those_of_the_paper():
    """One per family of data sets."""
    expected = {
        "imagenet": "A photo of a {}.", "sun397": "A photo of a {}.", "cub": "A photo of a {}, a type of bird.",
        "oxfordpets": "A photo of a pet {}.", "stanfordcars": "A photo of a {} car.", "dtd": "{} texture.",
        "eurosat": "A centered satellite photo of {}.", "ucf101": "A photo of a person doing {}.",
        "imagenet-sketch": "A black and white pencil sketch of a {}.", "country211": "A photo I took in {}.",
    }  # fmt: skip
    assert {name: load_dataset(name).photo_prompt for name in expected} == expected


def test_renditions_and_sketches_share_the_names_of_imagenet():
    """A classifier of one can be tested on the others: same names, same folder ids."""
    full, sketch, r = (load_dataset(n) for n in ("imagenet", "imagenet-sketch", "imagenet-r"))
    assert sketch.classes == full.classes
    assert sketch.reader.class_map == full.reader.class_map
    assert r.reader.class_map.items() <= full.reader.class_map.items()
    assert list(r.classes) == [c for c in full.classes if c in set(r.classes)]
    assert tuple(full.reader.class_map.values()) == full.classes
    assert full.reader.class_map["n01440764"] == "tench"
    assert full.reader.class_map["n15075141"] == "toilet paper"


def test_flowers_and_birds_keep_the_numbers_of_their_authors():
    """Label order is the data set's own, not the alphabet."""
    flowers, cub, cars = (load_dataset(n) for n in ("flowers102", "cub", "stanfordcars"))
    assert (flowers.classes[0], flowers.classes[101]) == ("pink primrose", "blackberry lily")
    assert cub.reader.class_map["001.Black_footed_Albatross"] == cub.classes[0]
    assert cub.reader.class_map["200.Common_Yellowthroat"] == cub.classes[199]
    assert cars.classes[0] == "2000 AM General Hummer SUV"
    assert cars.reader.class_map["smart fortwo Convertible 2012"] == cars.classes[195]


def test_names_that_yaml_would_change_stay_strings():
    """The country code NO and the aircraft 707-320 are not booleans or numbers."""
    assert load_dataset("country211").reader.class_map["NO"] == "Norway"
    assert load_dataset("fgvcaircraft").classes[0] == "707-320"


def test_textures_and_dtd_share_names_and_sentences():
    """The demo's 47 categories are DTD's, with hand-written sentences for each."""
    dtd, textures = load_dataset("dtd"), load_dataset("textures")
    assert dtd.classes == textures.classes
    sentences = yaml.safe_load(Path(textures.cupl).read_text())
    assert set(sentences) == set(textures.classes)
    assert all(5 < len(s) < 120 for lines in sentences.values() for s in lines)
    assert all(name in line.lower() for name, lines in sentences.items() for line in lines)
    assert find_config("datasets", "dtd").is_file()
