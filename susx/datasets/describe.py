"""What a source of class names or labelled images says of a data set, in each of the layouts that are understood."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from susx.datasets.readers.webdataset import CLASS_NAMES, TEMPLATES, read_class_names
from susx.datasets.split import SPLIT_WORDS
from susx.errors import ConfigError
from susx.printable import for_cell
from susx.records import EXPORTED_CLASSES, ORIGINS
from susx.text_file import csv_reader, read_lines, read_text
from susx.user_folder import folders_in

__all__ = [
    "describe",
    "describe_csv",
    "describe_export",
    "describe_folder",
    "describe_names",
    "describe_tables",
    "describe_webdataset",
    "split_folders",
]

PATH_COLUMNS = ("path", "file", "filename", "file_name", "image", "image_path", "filepath")
CLASS_COLUMNS = ("class", "label", "class_name", "category", "labels")
SPLIT_COLUMNS = ("split", "subset", "set", "partition")
"""Headings that are understood in a CSV, whatever their case."""


def describe(source: Path, class_column: str = "") -> dict[str, Any]:
    """Return what a source says of a data set, as fields of its YAML, and ``templates`` where there are some.

    A folder of folders stays one where a table without images lies in it.

    Raises:
        ConfigError: nothing that is understood.
    """
    from susx.datasets.hub_tables import holds_images

    if (source / EXPORTED_CLASSES).is_file() and (source / ORIGINS).is_file():
        return describe_export(source)
    if source.is_dir() and (source / CLASS_NAMES).is_file():
        _refuse_column(source, class_column, "a webdataset")
        return describe_webdataset(source)
    if source.suffix == ".parquet" or (source.is_dir() and holds_images(source)):
        return describe_tables(source, class_column)
    if source.suffix.lower() in {".csv", ".tsv"}:
        return describe_csv(source, class_column)
    _refuse_column(source, class_column, "a folder of folders" if source.is_dir() else "a list of names")
    return describe_folder(source) if source.is_dir() else describe_names(source)


def _refuse_column(source: Path, class_column: str, kind: str) -> None:
    if class_column:
        raise ConfigError(
            f"{source} is {kind} and has no columns: --class-column is of tables. Leave it out."
        )


def describe_names(file: Path) -> dict[str, Any]:
    """Return the classes of a text file, a name a line, in the order of the lines.

    Raises:
        ConfigError: the file is missing, no text, or empty.
    """
    names = [line for line in read_lines(file) if line and not line.startswith("#")]
    if not names:
        raise ConfigError(f"{file} names no classes; write one a line.")
    return {"classes": names}


def describe_export(folder: Path) -> dict[str, Any]:
    """Return classes and reader of a support set that was exported, in any of its formats; the class list is the exported one.

    Raises:
        ConfigError: the list of classes is no JSON list of names.
    """
    file = folder / EXPORTED_CLASSES
    try:
        classes = json.loads(read_text(file))
    except ValueError as error:
        raise ConfigError(
            f"{file} is no JSON ({error}); expected the class names that the export wrote."
        ) from error
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ConfigError(f"{file} must hold a list of class names, as the export wrote it.")
    reader: dict[str, Any] = {"kind": "csv", "folder": folder.resolve().name}
    if any(folder.glob("*.tar")):
        reader["kind"] = "webdataset"
    elif any(folder.glob("data/*.parquet")):
        reader["kind"] = "datasets"
    else:
        reader["options"] = {"file": ORIGINS, "path_column": "file", "class_column": "class_name"}
    written = {str(for_cell(name)): name for name in classes}
    return {
        "classes": classes,
        "reader": {**reader, "class_map": {k: v for k, v in written.items() if k != v}},
    }


def describe_webdataset(folder: Path) -> dict[str, Any]:
    """Return classes, first template and reader of a webdataset of CLIP_benchmark.

    Raises:
        ConfigError: it names no classes.
    """
    names = read_class_names(folder)
    file = folder / TEMPLATES
    lines = read_lines(file) if file.is_file() else []
    templates = [line for line in lines if line.count("{c}") == 1]
    data = {**_classes(names), "templates": templates}
    if templates:
        data["photo_prompt"] = templates[0].replace("{c}", "{}")
    return _with_reader(data, {"kind": "webdataset", "folder": folder.resolve().name})


def describe_tables(source: Path, class_column: str = "") -> dict[str, Any]:
    """Return classes and reader of a parquet file or a folder of Hugging Face ``datasets``.

    Raises:
        ConfigError: see :func:`~susx.datasets.hub_tables.open_tables`.
    """
    from susx.datasets.hub_tables import open_tables

    if not source.exists():
        raise ConfigError(f"{source} is not there.")
    tables = open_tables(source, class_column=class_column)
    names = tables.names or sorted({row.label for split in tables.files for row in tables.rows(split)})
    here = source.resolve()
    reader: dict[str, Any] = {
        "kind": "datasets", "folder": here.name if here.is_dir() else f"{here.parent.name}/{here.name}"
    }  # fmt: skip
    if class_column:
        reader["options"] = {"class_column": class_column}
    return _with_reader(_classes(names), reader)


def describe_csv(file: Path, class_column: str = "") -> dict[str, Any]:
    """Return classes and reader of a CSV or TSV with a heading and one row per image.

    Raises:
        ConfigError: it cannot be read, or has no column of paths or of classes.
    """
    delimiter = (
        "\t" if file.suffix.lower() == ".tsv" else None
    )  # else its heading tells, here and when it is read
    try:
        table = csv_reader(file, delimiter)
        columns, rows = list(table.fieldnames or ()), list(table)
    except csv.Error as error:
        raise ConfigError(
            f"{file} cannot be read ({error}); expected a heading and one row per image."
        ) from error
    columns_of = {
        "path_column": _heading(columns, PATH_COLUMNS),
        "class_column": _heading(columns, (class_column,) if class_column else CLASS_COLUMNS),
        "split_column": _heading(columns, SPLIT_COLUMNS),
    }
    for what in ("path_column", "class_column"):
        if not columns_of[what]:
            asked = f"'{class_column}'" if class_column else "for it: path, file ...; class, label ..."
            raise ConfigError(
                f"{file} has no {what.replace('_', ' ')} ({asked}); it has: {', '.join(columns) or 'no heading'}."
            )
    options = {"file": file.name, **{what: column for what, column in columns_of.items() if column}}
    if split := columns_of["split_column"]:
        splits = {(row[split] or "").strip() for row in rows}
        named = {SPLIT_WORDS.get(word.lower(), ""): word for word in sorted(splits)}
        options |= {key: named[key] for key in ("val", "test") if named.get(key, key) != key}
    if delimiter:
        options["delimiter"] = delimiter
    names = sorted({(row[options["class_column"]] or "").strip() for row in rows} - {""})
    if not names:
        raise ConfigError(f"{file} names no classes in '{options['class_column']}'.")
    reader = {"kind": "csv", "folder": file.resolve().parent.name, "options": options}
    return _with_reader(_classes(names), reader)


def _heading(columns: Sequence[str], headings: Sequence[str]) -> str:
    """Return the first known heading that is there, whatever its case, or ""."""
    lower = {column.lower().strip(): column for column in columns}
    return next((lower[word.lower()] for word in headings if word.lower() in lower), "")


def _classes(names: Iterable[str]) -> dict[str, Any]:
    written = list(names)
    clean = [" ".join(name.replace("_", " ").split()) for name in written]
    numbers: dict[str, int] = {}
    for number, name in enumerate(clean):
        if name in numbers:
            both = sorted({written[numbers[name]], written[number]})
            raise ConfigError(
                f"The classes {numbers[name]} and {number} are both called '{name}' ({', '.join(both)}); two classes of one name cannot "
                "be told apart. Rename one of them."
            )
        numbers[name] = number
    differing = {name: plain for name, plain in zip(written, clean, strict=True) if name != plain}
    return {"classes": clean, "class_map": differing}


def _with_reader(data: dict[str, Any], reader: dict[str, Any]) -> dict[str, Any]:
    """Names as written are mapped to class names once, here; the reader looks them up and never sorts."""
    differing = data.pop("class_map")
    return {**data, "reader": {**reader, "class_map": differing} if differing else reader}


def split_folders(folder: Path) -> dict[str, str]:
    """Return split -> folder where a folder holds nothing but folders of splits (train, val, test), else nothing.

    A folder of vehicles may have a class ``train``: only two such folders or more, each with folders in it, are splits.
    """
    inside = folders_in(folder)
    folders = {
        SPLIT_WORDS[path.name.lower()]: path.name for path in inside if path.name.lower() in SPLIT_WORDS
    }
    nested = all(folders_in(path) for path in inside)
    return folders if len(folders) == len(inside) >= 2 and nested else {}


def describe_folder(folder: Path) -> dict[str, Any]:
    """Return classes and reader of a folder of class folders, with or without a folder per split around them.

    Raises:
        ConfigError: it holds no folders.
    """
    splits = split_folders(folder)
    around = [folder / name for name in splits.values()] or [folder]
    folders = sorted({path.name for each in around for path in folders_in(each)})
    if not folders:
        raise ConfigError(f"{folder} holds no folders; expected one folder of images per class.")
    reader: dict[str, Any] = {"kind": "imagefolder", "folder": folder.resolve().name}
    options = {split: splits[split] for split in ("val", "test") if split in splits}
    reader |= {"options": options} if options else {}
    return _with_reader(_classes(folders), reader)
