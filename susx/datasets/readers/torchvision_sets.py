"""Reader of the data sets that torchvision knows, in the folders torchvision downloads them to.

torchvision's integer labels are not used (several of its classes derive them from a sort of whatever is on the
disk); the class *string* of every image is looked up in the class list. Options: ``dataset`` (torchvision class),
``val`` and ``test`` (its name of the split, or ``all`` for a data set without splits, which is then cut within each class),
``val_share`` (part of a training split that serves as validation split).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from PIL import Image

from susx.config import DatasetConfig, ReaderConfig
from susx.datasets.cut import cut_by_class
from susx.datasets.label_map import LabelMap
from susx.datasets.readers.file_splits import assemble
from susx.datasets.split import ImageSource, TargetSplit
from susx.errors import ConfigError, did_you_mean

__all__ = ["read_torchvision"]

Rows: TypeAlias = Iterator[tuple[ImageSource, str, str]]


def read_torchvision(
    config: DatasetConfig, reader: ReaderConfig, root: Path | None, split: str
) -> TargetSplit | None:
    """Read a split through torchvision; nothing is ever downloaded.

    Raises:
        ConfigError: torchvision has no such data set, or an image belongs to no class of the list.
    """
    word = reader.options.get(split)
    if root is None or word is None:
        return None
    name = str(reader.options.get("dataset", ""))
    if name not in _ROWS:
        raise ConfigError(f"torchvision reader: unknown data set '{name}'.{did_you_mean(name, _ROWS)}")
    folder = root / reader.folder
    dataset = _open(name, folder, str(word))
    if dataset is None:
        return None
    rows = _ROWS[name](dataset, folder)
    labels = LabelMap(config.classes, reader.class_map)
    if word == "all":
        return assemble(rows, labels, reader, folder, cut=split)
    taken = assemble(rows, labels, reader, folder)
    if taken is None or f"{split}_share" not in reader.options:
        return taken
    part = cut_by_class(taken.labels, taken.names, float(reader.options[f"{split}_share"]), 0.0)
    kept = [at for at, share in enumerate(part) if share]
    return TargetSplit(tuple(taken.items[at] for at in kept), tuple(taken.names[at] for at in kept))


def _open(name: str, folder: Path, word: str) -> Any:
    import torchvision.datasets

    expected = folder / _FOLDERS[name]
    if not expected.is_dir():  # asked first: some of torchvision's classes create the folder they look for
        return None
    arguments: dict[str, Any] = {} if word == "all" else {"split": word}
    if name.startswith("CIFAR"):
        arguments = {"train": word == "train"}
    try:
        return getattr(torchvision.datasets, name)(str(folder), download=False, **arguments)
    except (RuntimeError, OSError, ValueError) as error:
        raise ConfigError(
            f"torchvision cannot read {name} ({word}) in {expected}: {' '.join(str(error).split())}. The copy is"
            f" incomplete or laid out differently; torchvision.datasets.{name}(..., download=True) makes a whole one."
        ) from error


def _files(dataset: Any, folder: Path) -> Rows:
    for file, label in zip(dataset._image_files, dataset._labels, strict=True):
        yield Path(file), dataset.classes[label], _name(file, folder)


def _pets(dataset: Any, folder: Path) -> Rows:
    # dataset.classes is shorter than the label range when the copy lacks a breed; the file name is not.
    for file in dataset._images:
        yield Path(file), Path(file).stem.rpartition("_")[0], _name(file, folder)


def _cars(dataset: Any, folder: Path) -> Rows:
    for file, label in dataset._samples:
        yield Path(file), str(dataset.classes[label]), _name(file, folder)


def _samples(dataset: Any, folder: Path) -> Rows:
    for file, _ in dataset.samples:
        yield Path(file), Path(file).parent.name, _name(file, folder)


def _arrays(dataset: Any, folder: Path) -> Rows:
    for i, label in enumerate(dataset.targets):
        yield (
            partial(_from_array, dataset, i),
            dataset.classes[label],
            f"{'train' if dataset.train else 'test'}/{i:05d}",
        )


def _from_array(dataset: Any, index: int) -> Image.Image:
    return Image.fromarray(dataset.data[index])


def _caltech(dataset: Any, folder: Path) -> Rows:
    # Files are listed rather than counted: torchvision builds their names from a running number.
    base = Path(dataset.root) / (
        "101_ObjectCategories" if hasattr(dataset, "annotation_categories") else "256_ObjectCategories"
    )
    for category in dataset.categories:
        for file in sorted((base / category).glob("*.jpg")):
            yield file, category, _name(file, folder)


def _name(file: str | Path, folder: Path) -> str:
    path = Path(file)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()


_ROWS: dict[str, Callable[[Any, Path], Rows]] = {
    "CIFAR10": _arrays,
    "CIFAR100": _arrays,
    "Caltech101": _caltech,
    "Caltech256": _caltech,
    "Country211": _samples,
    "DTD": _files,
    "EuroSAT": _samples,
    "FGVCAircraft": _files,
    "Flowers102": _files,
    "Food101": _files,
    "OxfordIIITPet": _pets,
    "SUN397": _files,
    "StanfordCars": _cars,
}

_FOLDERS: dict[str, str] = {
    "CIFAR10": "cifar-10-batches-py",
    "CIFAR100": "cifar-100-python",
    "Caltech101": "caltech101/101_ObjectCategories",
    "Caltech256": "caltech256/256_ObjectCategories",
    "Country211": "country211",
    "DTD": "dtd/dtd",
    "EuroSAT": "eurosat/2750",
    "FGVCAircraft": "fgvc-aircraft-2013b",
    "Flowers102": "flowers-102",
    "Food101": "food-101",
    "OxfordIIITPet": "oxford-iiit-pet",
    "SUN397": "SUN397",
    "StanfordCars": "stanford_cars/devkit",
}
