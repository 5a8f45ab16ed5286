"""Every reader on a miniature copy in the layout a real copy has on disk."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torchvision.datasets
from PIL import Image

from susx.config import DatasetConfig, ReaderConfig, load_dataset
from susx.datasets import check_dataset, read_split
from susx.datasets.cut import Cut
from susx.errors import ConfigError


def picture(path: Path, colour: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (colour % 256, 64, 128)).save(path)
    return path


def labels_by_name(config, split):
    return {name: config.classes[label] for name, (_, label) in zip(split.names, split.items, strict=True)}


def write_coop(root: Path, name: str, rows: dict[str, list]) -> DatasetConfig:
    config = load_dataset(name)
    reader = config.reader
    for split in rows.values():
        for image, _, _ in split:
            picture(root / reader.folder / str(reader.options["images"]) / image)
    (root / reader.folder / str(reader.options["file"])).write_text(json.dumps(rows))
    return config


COOP = [
    ("caltech101", "Faces/image_0001.jpg", "face", "face"),
    ("caltech101", "car_side/image_0001.jpg", "car_side", "car side"),
    ("caltech256", "015.bonsai-101/015_0001.jpg", "015.bonsai-101", "bonsai"),
    ("sun397", "a/apse/indoor/sun_1.jpg", "indoor apse", "indoor apse"),
    ("stanfordcars", "cars_test/00001.jpg", "2000 AM General Hummer SUV", "2000 AM General Hummer SUV"),
    (
        "stanfordcars",
        "cars_test/00001.jpg",
        "2012 Ram C-V Cargo Van Minivan",
        "2012 Ram C/V Cargo Van Minivan",
    ),
    ("flowers102", "image_00001.jpg", "pink primrose", "pink primrose"),
    ("food101", "apple_pie/1.jpg", "apple_pie", "apple pie"),
    ("oxfordpets", "Abyssinian_1.jpg", "abyssinian", "abyssinian"),
    ("dtd", "polka-dotted/polka-dotted_0001.jpg", "polka-dotted", "polka-dotted"),
    ("eurosat", "AnnualCrop/AnnualCrop_1.jpg", "Annual Crop Land", "Annual Crop Land"),
    ("ucf101", "Yo_Yo/v_YoYo_g01_c01.jpg", "Yo_Yo", "Yo Yo"),
    ("cub", "001.Black_footed_Albatross/a.jpg", "001.Black_footed_Albatross", "Black footed Albatross"),
    ("birdsnap", "Acadian_Flycatcher/1.jpg", "Acadian_Flycatcher", "Acadian Flycatcher"),
]


@pytest.mark.parametrize(("name", "image", "written", "expected"), COOP)
def test_coop_split_files_are_read_by_class_name(tmp_path, name, image, written, expected):
    """The class string decides; the file's integer label, wrong on purpose here, does not."""
    config = write_coop(
        tmp_path, name, {"train": [], "val": [[image, 7, written]], "test": [[image, 9, written]]}
    )
    for split in ("val", "test"):
        found = read_split(config, tmp_path, split)
        assert labels_by_name(config, found) == {image: expected}
        assert found.image(0).size == (8, 8)


def test_imagenet_folders_are_read_by_wnid(tmp_path):
    """The folder order of wnids is not trusted: the map of the configuration is."""
    config = load_dataset("imagenet")
    for wnid in ("n15075141", "n01440764"):
        picture(tmp_path / "imagenet" / "val" / wnid / f"{wnid}.JPEG")
    found = read_split(config, tmp_path, "test")
    assert set(labels_by_name(config, found).values()) == {"tench", "toilet paper"}
    assert sorted(found.labels) == [0, 999]
    assert read_split(config, tmp_path, "val") is None


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("imagenet-sketch", "imagenet-sketch/sketch"),
        ("imagenet-r", "imagenet-r/imagenet-r"),
        ("imagenet-r", "imagenet-r"),
    ],
)
def test_renditions_and_sketches_are_read_from_either_layout(tmp_path, name, folder):
    """With and without the inner folder of the archive."""
    picture(tmp_path / folder / "n01443537" / "x.jpg")
    (tmp_path / folder / "README.txt").write_text("text")
    config = load_dataset(name)
    found = read_split(config, tmp_path, "test")
    assert [config.classes[label] for label in found.labels] == ["goldfish"]


@pytest.mark.parametrize("folder", ["cub", "CUB_200_2011"])
def test_cub_is_read_from_its_own_lists(tmp_path, folder):
    """images.txt and train_test_split.txt decide which images are test images."""
    base = tmp_path / folder
    names = ["001.Black_footed_Albatross/a.jpg", "200.Common_Yellowthroat/b.jpg", "017.Cardinal/c.jpg"]
    for name in names:
        picture(base / "images" / name)
    (base / "images.txt").write_text("".join(f"{i + 1} {n}\n" for i, n in enumerate(names)))
    (base / "train_test_split.txt").write_text("1 0\n2 0\n3 1\n")
    found = read_split(load_dataset("cub"), tmp_path, "test")
    assert found.labels == (0, 199)


def test_birdsnap_is_read_from_its_list_of_test_images(tmp_path):
    """The list has a header line."""
    picture(tmp_path / "birdsnap/images/Acorn_Woodpecker/1.jpg")
    (tmp_path / "birdsnap/test_images.txt").write_text("path\nAcorn_Woodpecker/1.jpg\n")
    found = read_split(load_dataset("birdsnap"), tmp_path, "test")
    assert found.labels == (1,)


def test_a_plain_folder_of_folders_is_cut_by_class(tmp_path):
    """val and test never share an image, each class is in both, and every labelled image is accounted for."""
    config = DatasetConfig(
        name="mine", classes=("zebra", "ant hill"), reader=ReaderConfig(kind="imagefolder", folder="mine")
    )
    for i in range(40):
        picture(tmp_path / "mine/zebra" / f"{i}.jpg")
    for i in range(3):
        picture(tmp_path / "mine/ant_hill" / f"{i}.jpg")
    val, test = (read_split(config, tmp_path, s) for s in ("val", "test"))
    assert not set(val.names) & set(test.names)
    assert [split.labels.count(0) for split in (val, test)] == [8, 12]
    assert [split.labels.count(1) for split in (val, test)] == [1, 1]
    assert val.cut == test.cut == Cut(43, 9, 13)
    assert test.cut.neither == 21


def test_a_table_is_read_by_its_columns(tmp_path):
    """Semicolons, own column names and own words for the splits."""
    options = {
        "file": "t.csv",
        "path_column": "file",
        "class_column": "kind",
        "split_column": "part",
        "test": "eval",
        "delimiter": ";",
        "images": "img",
    }
    config = DatasetConfig(
        name="t", classes=("b", "a"), reader=ReaderConfig(kind="csv", folder="t", options=options)
    )
    picture(tmp_path / "t/img/1.png")
    (tmp_path / "t/t.csv").write_text("file;kind;part\n1.png;a;eval\n2.png;b;train\n")
    found = read_split(config, tmp_path, "test")
    assert (found.names, found.labels) == (("1.png",), (1,))
    assert read_split(config, tmp_path, "val") is None
    (tmp_path / "t/t.csv").write_text("file;part\n1.png;eval\n")
    with pytest.raises(ConfigError, match="no column 'kind'"):
        read_split(config, tmp_path, "test")


def test_an_unknown_class_is_refused_with_the_nearest_name(tmp_path):
    """A label is never guessed."""
    config = write_coop(tmp_path, "food101", {"train": [], "val": [], "test": [["x.jpg", 0, "apple_pies"]]})
    with pytest.raises(ConfigError, match=r"'apple_pies'.*Did you mean 'apple pie'"):
        read_split(config, tmp_path, "test")


@pytest.mark.parametrize("text", ["[]", "{", '{"test": [["a"]]}', '{"train": []}'])
def test_a_damaged_split_file_is_named(tmp_path, text):
    """The message says what a split file looks like."""
    config = write_coop(tmp_path, "eurosat", {"train": [], "val": [], "test": [["x.jpg", 0, "River"]]})
    (tmp_path / "eurosat/split_zhou_EuroSAT.json").write_text(text)
    with pytest.raises(ConfigError, match=r"split_zhou_EuroSAT\.json is not a split file"):
        read_split(config, tmp_path, "test")


def test_nothing_there_is_not_an_error(tmp_path):
    """Every data set answers None for an empty folder and without one, and creates nothing in it."""
    for name in (
        "imagenet",
        "cifar10",
        "caltech101",
        "caltech256",
        "dtd",
        "sun397",
        "country211",
        "fgvcaircraft",
    ):
        assert read_split(load_dataset(name), tmp_path, "test") is None
        assert read_split(load_dataset(name), None, "test") is None
    assert not list(tmp_path.iterdir())


def test_a_data_root_that_is_no_folder_is_refused(tmp_path):
    """The message names it."""
    with pytest.raises(ConfigError, match="not a folder"):
        read_split(load_dataset("dtd"), tmp_path / "gone", "test")


# ---------------------------------------------------------------- layouts of torchvision


def official(name: str) -> DatasetConfig:
    config = load_dataset(name)
    readers = [r for r in config.readers if r.kind == "torchvision"]
    return config.model_copy(update={"reader": readers[0], "alternatives": tuple(readers[1:])})


def test_torchvision_dtd(tmp_path):
    """dtd/dtd/labels/test1.txt lists folder/file."""
    base = tmp_path / "dtd" / "dtd"
    for name in ("zigzagged", "polka-dotted"):
        picture(base / "images" / name / f"{name}_1.jpg")
    (base / "labels").mkdir()
    (base / "labels/test1.txt").write_text("zigzagged/zigzagged_1.jpg\npolka-dotted/polka-dotted_1.jpg\n")
    config = official("dtd")
    found = read_split(config, tmp_path, "test")
    # torchvision itself numbers these two 0 and 1.
    assert [config.classes[label] for label in found.labels] == ["zigzagged", "polka-dotted"]


def test_torchvision_food101_splits_its_training_images(tmp_path):
    """food-101/meta/*.json; a fifth of the training images serve as val."""
    base = tmp_path / "food-101"
    (base / "meta").mkdir(parents=True)
    rows = {
        "waffles": [f"waffles/{i}" for i in range(30)],
        "apple_pie": [f"apple_pie/{i}" for i in range(30)],
    }
    for names in rows.values():
        for name in names:
            picture(base / "images" / f"{name}.jpg")
    for split in ("train", "test"):
        (base / "meta" / f"{split}.json").write_text(json.dumps(rows))
    config = official("food101")
    assert len(read_split(config, tmp_path, "test")) == 60
    val = read_split(config, tmp_path, "val")
    assert 3 <= len(val) <= 25
    assert {config.classes[label] for label in val.labels} == {"waffles", "apple pie"}


def test_torchvision_pets_survive_missing_breeds(tmp_path):
    """Breeds are read from the file names; torchvision's own list is shorter than its labels here."""
    base = tmp_path / "oxford-iiit-pet"
    for image in ("yorkshire_terrier_1", "Egyptian_Mau_2"):
        picture(base / "images" / f"{image}.jpg")
    (base / "annotations").mkdir()
    (base / "annotations/test.txt").write_text("yorkshire_terrier_1 37 2 25\nEgyptian_Mau_2 12 1 5\n")
    config = official("oxfordpets")
    found = read_split(config, tmp_path, "test")
    assert [config.classes[label] for label in found.labels] == ["yorkshire terrier", "egyptian mau"]


def test_torchvision_fgvc_aircraft(tmp_path):
    """Variants with blanks and slashes in their names."""
    data = tmp_path / "fgvc-aircraft-2013b" / "data"
    picture(data / "images/0001.jpg")
    picture(data / "images/0002.jpg")
    (data / "variants.txt").write_text("F-16A/B\nCessna 172\n")
    for split in ("val", "test"):
        (data / f"images_variant_{split}.txt").write_text("0001 Cessna 172\n0002 F-16A/B\n")
    config = official("fgvcaircraft")
    assert [config.classes[label] for label in read_split(config, tmp_path, "test").labels] == [
        "Cessna 172",
        "F-16A/B",
    ]


def test_torchvision_sun397(tmp_path):
    """SUN397/ClassName.txt and nested class folders."""
    base = tmp_path / "SUN397"
    classes = ["a/apse/indoor", "a/abbey", "t/temple/east_asia"]
    for name in classes:
        for i in range(30):
            picture(base / name / f"sun_{i}.jpg")
    (base / "ClassName.txt").write_text("".join(f"/{name}\n" for name in classes))
    config = official("sun397")
    found = read_split(config, tmp_path, "test")
    assert {config.classes[label] for label in found.labels} == {"indoor apse", "abbey", "east asia temple"}
    assert all(
        name.startswith("SUN397/a/abbey")
        for name, label in zip(found.names, found.labels, strict=True)
        if config.classes[label] == "abbey"
    )


def test_torchvision_eurosat_country_and_caltech(tmp_path):
    """Three layouts of folders; names and codes are mapped."""
    for i in range(20):
        picture(tmp_path / "eurosat/2750/SeaLake" / f"SeaLake_{i}.jpg")
        picture(tmp_path / "caltech101/101_ObjectCategories/Faces" / f"image_{i:04d}.jpg")
        picture(tmp_path / "caltech101/101_ObjectCategories/BACKGROUND_Google" / f"image_{i:04d}.jpg")
        picture(tmp_path / "caltech101/101_ObjectCategories/Faces_easy" / f"image_{i:04d}.jpg")
        picture(tmp_path / "caltech256/256_ObjectCategories/253.faces-easy-101" / f"253_{i:04d}.jpg")
    for code in ("NO", "AD"):
        picture(tmp_path / "country211/test" / code / "1.jpg")
    for name, expected in (
        ("eurosat", {"Sea or Lake"}),
        ("country211", {"Norway", "Andorra"}),
        ("caltech101", {"face"}),
        ("caltech256", {"face"}),
    ):
        config = official(name)
        found = read_split(config, tmp_path, "test")
        assert {config.classes[label] for label in found.labels} == expected


def test_torchvision_stanford_cars(tmp_path):
    """Names come from cars_meta.mat, year last."""
    base = tmp_path / "stanford_cars"
    (base / "devkit").mkdir(parents=True)
    picture(base / "cars_test/00001.jpg")
    names = ["AM General Hummer SUV 2000", "smart fortwo Convertible 2012"]
    scipy.io.savemat(base / "devkit/cars_meta.mat", {"class_names": np.array(names, dtype=object)})
    rows = np.array([("00001.jpg", 2), ("00001.jpg", 1)], dtype=[("fname", object), ("class", int)])
    scipy.io.savemat(base / "cars_test_annos_withlabels.mat", {"annotations": rows})
    found = read_split(official("stanfordcars"), tmp_path, "test")
    assert found.labels == (195, 0)


def test_torchvision_flowers(tmp_path, monkeypatch):
    """setid.mat picks the images, imagelabels.mat numbers them from 1."""
    base = tmp_path / "flowers-102"
    for i in (1, 2):
        picture(base / "jpg" / f"image_{i:05d}.jpg")
    scipy.io.savemat(base / "imagelabels.mat", {"labels": np.array([77, 1])})
    scipy.io.savemat(base / "setid.mat", {"tstid": np.array([1, 2]), "valid": np.array([1, 2])})
    sums = {
        key: (file, md5(base / file)) for key, file in (("label", "imagelabels.mat"), ("setid", "setid.mat"))
    }
    monkeypatch.setattr(
        torchvision.datasets.Flowers102, "_file_dict", {**torchvision.datasets.Flowers102._file_dict, **sums}
    )
    config = official("flowers102")
    assert [config.classes[label] for label in read_split(config, tmp_path, "test").labels] == [
        "passion flower",
        "pink primrose",
    ]


def test_torchvision_cifar(tmp_path, monkeypatch):
    """Images come out of the arrays; the folder may be the data root or its own."""
    base = tmp_path / "cifar10" / "cifar-10-batches-py"
    base.mkdir(parents=True)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    for file in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        rows = {"data": np.full((20, 3072), 200, np.uint8), "labels": [i % 10 for i in range(20)]}
        (base / file).write_bytes(pickle.dumps(rows))
    (base / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    cifar = torchvision.datasets.CIFAR10
    for attribute in ("train_list", "test_list"):
        files = [[file, md5(base / file)] for file, _ in getattr(cifar, attribute)]
        monkeypatch.setattr(cifar, attribute, files)
    monkeypatch.setattr(cifar, "meta", {**cifar.meta, "md5": md5(base / "batches.meta")})
    config = official("cifar10")
    found = read_split(config, tmp_path, "test")
    assert found.labels == tuple(i % 10 for i in range(20))
    assert found.image(3).getpixel((0, 0)) == (200, 200, 200)
    assert 1 <= len(read_split(config, tmp_path, "val")) < 40
    shutil.move(base, tmp_path / base.name)
    assert len(read_split(config, tmp_path, "test")) == 20


def test_an_incomplete_torchvision_copy_is_named(tmp_path):
    """A folder without its lists is a damaged copy, not a missing one."""
    (tmp_path / "food-101").mkdir()
    with pytest.raises(ConfigError, match=r"torchvision cannot read Food101 \(test\)"):
        read_split(official("food101"), tmp_path, "test")


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


# ---------------------------------------------------------------- checking a copy


def test_check_counts_files_classes_and_label_order(tmp_path):
    """Missing files, wrong counts, empty classes and moved labels are each said in a sentence."""
    rows = [["Forest/1.jpg", 0, "Forest"], ["AnnualCrop/1.jpg", 1, "Annual Crop Land"]]
    config = write_coop(tmp_path, "eurosat", {"train": [], "val": rows, "test": rows})
    (tmp_path / "eurosat/2750/Forest/1.jpg").unlink()
    result = check_dataset(config, tmp_path)
    text = " ".join(result.problems)
    assert not result.ok
    assert "2 images listed, 5400 published" in text
    assert "1 listed files are not on the disk" in text
    assert "8 of 10 classes have no image" in text
    assert "numbers 2 classes otherwise" in " ".join(result.splits[0].notes)


def test_check_notes_folders_that_sort_otherwise_than_labels(tmp_path):
    """The mistake of labels from sorted folders would be made here; it is pointed out."""
    config = DatasetConfig(
        name="m",
        classes=("zebra", "ant"),
        reader=ReaderConfig(kind="imagefolder", folder="m", options={"test": "test"}),
    )
    picture(tmp_path / "m/test/zebra/1.jpg")
    picture(tmp_path / "m/test/ant/1.jpg")
    result = check_dataset(config, tmp_path)
    assert result.ok
    assert "differs from label order for 2 of 2" in result.splits[0].notes[0]


def test_check_says_where_to_get_a_missing_data_set(tmp_path):
    """Source and licence are in the sentence."""
    result = check_dataset(load_dataset("oxfordpets"), tmp_path)
    assert "https://www.robots.ox.ac.uk/~vgg/data/pets/" in result.problems[0]
    assert "CC BY-SA" in result.problems[0]


def test_the_demo_draws_its_images(tmp_path):
    """The textures need no folder, are the same every time, and their check passes."""
    config = load_dataset("textures")
    val = read_split(config, None, "val")
    assert len(val) == 47 * 10
    assert np.array_equal(np.asarray(val.image(11)), np.asarray(read_split(config, None, "val").image(11)))
    assert check_dataset(config, None).ok
