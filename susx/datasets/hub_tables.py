"""Labelled images in the tables of Hugging Face ``datasets``: a repository's parquet files, or what ``save_to_disk`` writes.

Read with pyarrow alone. Labels are one column; pictures are read a row group at a time, when they are asked for.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import yaml

from susx.datasets.split import SPLIT_WORDS
from susx.errors import ConfigError
from susx.store.disk import facts_of
from susx.text_file import read_text
from susx.user_folder import files_below

__all__ = ["LabelledTables", "Row", "holds_images", "open_tables", "split_files"]

_SHARD = re.compile(r"[-_.]?\d+-of-\d+(-[0-9a-f]+)?$")
_IMAGE_NAMES = ("image", "img", "picture", "photo", "jpg", "png", "webp")
_LABEL_NAMES = ("label", "labels", "class", "category", "class_name", "cls")


@dataclass(frozen=True)
class Row:
    """One labelled image: its class string, a name for people, and where it lies."""

    label: str
    name: str
    file: Path
    group: int
    index: int


@dataclass(frozen=True)
class LabelledTables:
    """The tables of one data set.

    Attributes:
        folder: that holds them, or the one file.
        files: split (train, val, test) -> files.
        image_column: of encoded images.
        class_column: of class strings, or of numbers of ``names``.
        names: of all numbers, in the order of the first file; None where the column has strings.
        names_of: file -> its own names of the numbers: files that were written apart may number classes otherwise.
    """

    folder: Path
    files: dict[str, tuple[Path, ...]]
    image_column: str
    class_column: str
    names: tuple[str, ...] | None
    names_of: Mapping[Path, tuple[str, ...] | None] = field(default_factory=dict)

    def rows(self, split: str) -> Iterator[Row]:
        """Yield the images of a split, file after file.

        Raises:
            ConfigError: a label that is no number of a name.
        """
        root = self.folder if self.folder.is_dir() else self.folder.parent
        for file in self.files.get(split, ()):
            names = self.names_of.get(file, self.names)
            for group, labels in enumerate(_columns(file, self.class_column)):
                for index, label in enumerate(labels.to_pylist()):
                    name = f"{file.relative_to(root).as_posix()}/{group}/{index:05d}"
                    yield Row(_class_name(label, names, name), name, file, group, index)

    def image(self, row: Row) -> bytes:
        """Return the encoded image of a row.

        Raises:
            ConfigError: the table holds a path instead of the image.
        """
        facts = tuple(facts_of(row.file))
        value = _group(row.file, row.group, self.image_column, facts)[row.index].as_py()
        content = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(content, bytes):
            path = value.get("path") if isinstance(value, dict) else value
            if not path:
                raise ConfigError(f"{row.name} has no image (null). Take such rows out of the table.")
            raise ConfigError(
                f"{row.name} names its image ({path}) and does not hold it. Write the data set with its images inside "
                "(save_to_disk and push_to_hub of datasets do, to_parquet does not), or describe the folder of images instead."
            )
        return content


def _class_name(label: Any, names: Sequence[str] | None, where: str) -> str:
    """Return what a row calls its class: its text, or the name of its number (a whole number in any type)."""
    if names is None:
        if not isinstance(label, str) or not label.strip():
            raise ConfigError(
                f"{where} has the label {label!r}; expected the name of a class. Take rows without a label out of the table."
            )
        return label.strip()
    if isinstance(label, str):  # a ClassLabel may be stored as text: datasets takes a name, else a number
        if label.strip() in names:
            return label.strip()
        label = int(label) if label.strip().isdecimal() else label
    whole = isinstance(label, int) or (isinstance(label, float) and label.is_integer())
    if not whole or not 0 <= label < len(names):
        raise ConfigError(
            f"{where} has the label {label}; expected a number from 0 to {len(names) - 1}. datasets marks images without a label so "
            "(-1, null): choose another split for measuring."
        )
    return names[int(label)]


def split_files(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Return split -> tables below a folder (or of one file); what names no split is ``train``, as for ``datasets``."""
    if folder.is_file():
        return {"train": (folder,)}
    files_of: dict[str, list[Path]] = {}
    for file in files_below(folder, {".parquet", ".arrow"}).files:
        inside = file.relative_to(folder)
        if file.name.startswith("cache-"):  # what map() and filter() of datasets leave
            continue
        files_of.setdefault(_split_of(inside), []).append(file)
    _refuse_configurations(folder, files_of)
    return {split: tuple(files) for split, files in files_of.items()}


def _split_of(inside: Path) -> str:
    """Return the split that a table's path names, as ``datasets`` reads it: a word of it (``my_test.parquet``, ``test/0.parquet``), or
    anything before ``-00000-of-00001`` in a folder ``data``."""
    name = _SHARD.sub("", inside.stem)
    name_parts = [name, *reversed(inside.parts[:-1])]
    if split := next((SPLIT_WORDS[word.lower()] for word in name_parts if word.lower() in SPLIT_WORDS), ""):
        return split
    if name != inside.stem and inside.parent.name == "data" and name:
        return name
    for word in name_parts:
        splits = {SPLIT_WORDS[part] for part in re.split(r"[^a-z]+", word.lower()) if part in SPLIT_WORDS}
        if len(splits) == 1:
            return splits.pop()
    return "train"


def _refuse_configurations(folder: Path, files: Mapping[str, Sequence[Path]]) -> None:
    """Refuse a repository of several configurations (the same images in two sizes, say): one of them is a data set."""
    for split, each in files.items():
        homes = {
            tuple(
                part
                for part in file.relative_to(folder).parts[:-1]
                if _split_of(Path(part, "x")) == "train" and part != "data"
            )
            for file in each
        }
        if len(homes) > 1:
            names = sorted("/".join(home) or "." for home in homes)
            raise ConfigError(
                f"{folder} holds {len(names)} configurations with a split {split}: {', '.join(names[:8])}. Give the folder of one of them "
                f"({folder / names[-1]})."
            )


def holds_images(folder: Path) -> bool:
    """Whether a folder is one of tables: a table with a column of images, or tables and no folders of anything else.

    Raises:
        ConfigError: the first table cannot be read.
    """
    files = split_files(folder)
    if not files:
        return False
    first = next(iter(files.values()))[0]
    schema = _schema(first)
    if _image_columns(schema, _features(schema, folder)):
        return True
    tables = {file for each in files.values() for file in each}
    others = (path for path in folder.glob("*/*") if path.is_file() and path not in tables)
    return next(others, None) is None


def open_tables(folder: Path, *, image_column: str = "", class_column: str = "") -> LabelledTables:
    """Find splits, columns and class names of a data set.

    Args:
        folder: of the data set, or one parquet file.
        image_column: where several could be meant.
        class_column: where several could be meant.

    Raises:
        ConfigError: no tables, a damaged one, no images, no labels, or several columns of labels.
    """
    files = split_files(folder)
    if not files:
        raise ConfigError(f"{folder} holds no .parquet or .arrow file of labelled images.")
    first = next(iter(files.values()))[0]
    schema = _schema(first)
    features = _features(schema, folder)
    image = image_column or _image_column(schema, features, first)
    label = class_column or _class_column(schema, features, first)
    for column in (image, label):
        if column not in schema.names:
            raise ConfigError(f"{first} has no column '{column}'; it has: {', '.join(schema.names)}.")
    every = [file for each in files.values() for file in each]
    names_of = {file: _names(_schema(file), folder, label, file) for file in every}
    named = [names for names in names_of.values() if names is not None]
    names = tuple(dict.fromkeys(name for names in named for name in names)) if named else None
    if named and len(named) < len(every):
        without = next(file for file, names in names_of.items() if names is None)
        raise ConfigError(
            f"{without} has no names for its labels in '{label}', and other tables of {folder} have. Write it like the others."
        )
    return LabelledTables(folder, files, image, label, names, names_of)


def _names(schema: pa.Schema, folder: Path, label: str, file: Path) -> tuple[str, ...] | None:
    """Return the names of a table's numbers, None for a column of texts."""
    if label not in schema.names:
        raise ConfigError(f"{file} has no column '{label}'; it has: {', '.join(schema.names)}.")
    kind = schema.field(label).type
    names = _features(schema, folder).get(label, {}).get("names")
    text = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_string(text) or pa.types.is_large_string(text) or pa.types.is_string_view(text):
        return tuple(map(str, names)) if names is not None else None
    if names is not None and (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    ):
        return tuple(map(str, names))
    several = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if several:
        reason = "one class an image is measured, and a list is several"
    elif names is None:
        reason = "neither the table nor README.md names them"
    else:
        reason = "the numbers of a ClassLabel are whole numbers"
    raise ConfigError(
        f"{file}: the labels in '{label}' are {kind}, and {reason}. Give a column of class "
        "names, or a data set whose label is a ClassLabel."
    )


def _image_columns(schema: pa.Schema, features: dict[str, Any]) -> list[str]:
    marked = [name for name in schema.names if features.get(name, {}).get("_type") == "Image"]
    held = [f.name for f in schema if pa.types.is_struct(f.type) and f.type.get_field_index("bytes") >= 0]
    named = [f.name for f in schema if pa.types.is_binary(f.type) and f.name.lower() in _IMAGE_NAMES]
    return marked or held or named


def _image_column(schema: pa.Schema, features: dict[str, Any], file: Path) -> str:
    candidates = _image_columns(schema, features)
    if not candidates:
        raise ConfigError(f"{file} holds no column of images; it has: {', '.join(schema.names)}.")
    return candidates[0]


def _class_column(schema: pa.Schema, features: dict[str, Any], file: Path) -> str:
    marked = [name for name in schema.names if features.get(name, {}).get("names") is not None]
    candidates = marked or [name for name in schema.names if name.lower() in _LABEL_NAMES]
    if not candidates:
        raise ConfigError(
            f"{file} holds no column of labels; it has: {', '.join(schema.names)}. Name one with --class-column."
        )
    if len(candidates) > 1:
        raise ConfigError(
            f"{file} holds several columns of labels: {', '.join(candidates)}. Name one with --class-column."
        )
    return str(candidates[0])


def _features(schema: pa.Schema, folder: Path) -> dict[str, Any]:
    """Return column -> what ``datasets`` says of it, from the table or else from the card's ``dataset_info``."""
    stored = (schema.metadata or {}).get(b"huggingface")
    try:
        info = json.loads(stored)["info"]["features"] if stored else _card_features(folder)
    except (ValueError, KeyError, TypeError, AttributeError):  # a card is anybody's YAML
        info = {}
    return (
        {name: about for name, about in info.items() if isinstance(about, dict)}
        if isinstance(info, dict)
        else {}
    )


def _card_features(folder: Path) -> dict[str, Any]:
    card = folder / "README.md"
    if not folder.is_dir() or not card.is_file():
        return {}
    try:
        head = re.match(r"---\n(.*?)\n---", read_text(card), re.S)
        info = (yaml.safe_load(head[1]) or {}).get("dataset_info") if head else None
    except (yaml.YAMLError, ConfigError):
        return {}
    info = info[0] if isinstance(info, list) and info else info
    columns: dict[str, Any] = {}
    for feature in (info or {}).get("features", []):
        kind = feature.get("dtype")
        if kind == "image":
            columns[feature["name"]] = {"_type": "Image"}
        elif isinstance(kind, dict) and "class_label" in kind:
            names = kind["class_label"]["names"]
            ordered = [names[key] for key in sorted(names, key=int)] if isinstance(names, dict) else names
            columns[feature["name"]] = {"_type": "ClassLabel", "names": ordered}
    return columns


def _schema(file: Path) -> pa.Schema:
    try:
        if file.suffix == ".parquet":
            return pq.read_schema(file)
        return _arrow(file, tuple(facts_of(file))).schema
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(
            f"{file} cannot be read as a {file.suffix} table ({' '.join(str(error).split())[:200]}). Get it again; after a git clone, "
            "'git lfs pull' brings what is a pointer only."
        ) from error


@functools.lru_cache(maxsize=8)
def _arrow(file: Path, facts: tuple[int, ...]) -> pa.Table:
    """Map a stream of record batches, as ``save_to_disk`` writes it; nothing is copied. With other facts it is another file."""
    return pa.ipc.open_stream(pa.memory_map(str(file))).read_all()


def _columns(file: Path, column: str) -> Iterator[pa.ChunkedArray]:
    """Yield one column, a row group (or batch) after the other."""
    if file.suffix == ".parquet":
        table = pq.ParquetFile(file)
        for group in range(table.num_row_groups):
            yield table.read_row_group(group, columns=[column]).column(column)
    else:
        for batch in _arrow(file, tuple(facts_of(file))).to_batches():
            yield batch.column(column)


@functools.lru_cache(maxsize=2)
def _group(file: Path, group: int, column: str, facts: tuple[int, ...]) -> Any:
    if file.suffix == ".parquet":
        return pq.ParquetFile(file).read_row_group(group, columns=[column]).column(column)
    return _arrow(file, facts).to_batches()[group].column(column)
