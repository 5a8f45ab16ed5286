"""Describing one's own data set: a YAML from a list of names, or from labelled images in one of the usual layouts."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from susx.config import DatasetConfig
from susx.datasets.readers.webdataset import CLASS_NAMES, TEMPLATES, read_class_names
from susx.errors import ConfigError
from susx.store import write_atomically

__all__ = ["describe_folder", "describe_names", "new_dataset", "split_folders"]

SPLIT_WORDS = {
    "train": "support", "training": "support", "val": "validation", "valid": "validation", "validation": "validation",
    "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip
"""What folders of splits are called -> the split."""


PATH_COLUMNS = ("path", "file", "filename", "file_name", "image", "image_path", "filepath")
CLASS_COLUMNS = ("class", "label", "class_name", "category", "labels")
SPLIT_COLUMNS = ("split", "subset", "set", "partition")
"""Headings that are understood in a CSV, whatever their case."""


def new_dataset(
    name: str, source: Path, out: Path, *, class_column: str = "", force: bool = False
) -> DatasetConfig:
    """Write the YAML of a data set and return it.

    Args:
        name: of the data set.
        source: a text file with a class name a line (blank lines and lines that begin with ``#`` are left out); a
            folder with one folder of images per class, or such a folder for each split (train, val, test); a CSV or TSV with a row per
            image; a parquet file or folder of Hugging Face ``datasets``; a webdataset of CLIP_benchmark, whose sentences go into a
            file beside the YAML.
        out: the YAML.
        class_column: of a table, where several could be meant.
        force: write over an existing file.

    Raises:
        ConfigError: nothing to read, a bad name, or the file exists. Nothing is written then.
    """
    sentences = out.with_name(f"{out.stem}-sentences.json")
    data = {"name": name, "photo_prompt": "A photo of a {}.", **_describe(source, class_column)}
    templates = data.pop("templates", ())
    if len(templates) > 1:
        data["cupl"] = sentences.name
    for file in (out, *((sentences,) if "cupl" in data else ())):
        if file.exists() and not force:
            raise ConfigError(f"{file} exists; give --force to write over it.")
    try:
        config = DatasetConfig.model_validate(data)
    except ValidationError as error:
        reason = "; ".join(item["msg"].removeprefix("Value error, ") for item in error.errors()[:3])
        raise ConfigError(f"{source} does not make a data set: {reason}.") from error
    if config.cupl:
        written = {c: [template.replace("{c}", c) for template in templates] for c in config.classes}
        _write(sentences, json.dumps(written, ensure_ascii=False, indent=1) + "\n")
    _write(out, yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100))
    return config


def _describe(source: Path, class_column: str) -> dict[str, Any]:
    from susx.datasets.tables import split_files

    if source.is_dir() and (source / CLASS_NAMES).is_file():
        return describe_webdataset(source)
    if source.suffix == ".parquet" or (source.is_dir() and split_files(source)):
        return describe_tables(source, class_column)
    if source.suffix.lower() in {".csv", ".tsv"}:
        return describe_csv(source, class_column)
    return describe_folder(source) if source.is_dir() else describe_names(source)


def describe_names(file: Path) -> dict[str, Any]:
    """Return the classes of a text file, a name a line, in the order of the lines.

    Raises:
        ConfigError: the file is missing, no text, or empty.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{file} cannot be read ({error}); expected a text file with a class name a line, or a folder of folders."
        ) from error
    names = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not names:
        raise ConfigError(f"{file} names no classes; write one a line.")
    return {"classes": names}


def describe_webdataset(folder: Path) -> dict[str, Any]:
    """Return classes, first template and reader of a webdataset of CLIP_benchmark.

    Raises:
        ConfigError: it names no classes.
    """
    names = read_class_names(folder)
    file = folder / TEMPLATES
    lines = file.read_text(encoding="utf-8-sig").split("\n") if file.is_file() else []
    templates = [line.strip() for line in lines if line.count("{c}") == 1]
    data = {**_classes(names), "templates": templates}
    if templates:
        data["photo_prompt"] = templates[0].replace("{c}", "{}")
    return _with_reader(data, {"kind": "webdataset", "folder": folder.resolve().name})


def describe_tables(source: Path, class_column: str = "") -> dict[str, Any]:
    """Return classes and reader of a parquet file or a folder of Hugging Face ``datasets``.

    Raises:
        ConfigError: see :func:`~susx.datasets.tables.open_tables`.
    """
    from susx.datasets.tables import open_tables

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
    delimiter = "\t" if file.suffix.lower() == ".tsv" else ","
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            table = csv.DictReader(stream, delimiter=delimiter)
            columns, rows = list(table.fieldnames or ()), list(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(
            f"{file} cannot be read ({error}); expected a heading and one row per image."
        ) from error
    lower = {column.lower().strip(): column for column in columns}

    def find(what: str, known: tuple[str, ...], given: str = "") -> str:
        found = given if given in columns else next((lower[word] for word in known if word in lower), "")
        if not found or (given and found != given):
            asked = f"'{given}'" if given else f"of {what} ({', '.join(known[:4])} ...)"
            raise ConfigError(f"{file} has no column {asked}; it has: {', '.join(columns) or 'no heading'}.")
        return found

    options: dict[str, str] = {"file": file.name, "path_column": find("paths", PATH_COLUMNS)}
    options["class_column"] = find("classes", CLASS_COLUMNS, class_column)
    split = next((lower[word] for word in SPLIT_COLUMNS if word in lower), "")
    if split:
        options["split_column"] = split
        for word in sorted({(row[split] or "").strip() for row in rows}):
            if (
                key := {"validation": "val", "test": "test"}.get(SPLIT_WORDS.get(word.lower(), ""))
            ) and word != key:
                options[key] = word
    if delimiter != ",":
        options["delimiter"] = delimiter
    names = sorted({(row[options["class_column"]] or "").strip() for row in rows} - {""})
    if not names:
        raise ConfigError(f"{file} names no classes in '{options['class_column']}'.")
    reader = {"kind": "csv", "folder": file.resolve().parent.name, "options": options}
    return _with_reader(_classes(names), reader)


def _classes(names: Iterable[str]) -> dict[str, Any]:
    clean = {name: " ".join(name.replace("_", " ").split()) for name in names}
    return {"classes": list(clean.values()), "class_map": {k: v for k, v in clean.items() if k != v}}


def _with_reader(data: dict[str, Any], reader: dict[str, Any]) -> dict[str, Any]:
    """Names as written are mapped to class names once, here; the reader looks them up and never sorts."""
    differing = data.pop("class_map")
    return {**data, "reader": {**reader, "class_map": differing} if differing else reader}


def split_folders(folder: Path) -> dict[str, str]:
    """Return split -> folder where a folder holds nothing but folders of splits (train, val, test), else nothing.

    A folder of vehicles may have a class ``train``: only two such folders or more, each with folders in it, are splits.
    """
    inside = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    found = {SPLIT_WORDS[path.name.lower()]: path.name for path in inside if path.name.lower() in SPLIT_WORDS}
    nested = all(any(below.is_dir() for below in path.iterdir()) for path in inside)
    return found if len(found) == len(inside) >= 2 and nested else {}


def describe_folder(folder: Path) -> dict[str, Any]:
    """Return classes and reader of a folder of class folders, with or without a folder per split around them.

    Raises:
        ConfigError: it holds no folders.
    """
    splits = split_folders(folder)
    around = [folder / name for name in splits.values()] or [folder]
    folders = sorted(
        {
            path.name
            for each in around
            for path in each.iterdir()
            if path.is_dir() and not path.name.startswith(".")
        }
    )
    if not folders:
        raise ConfigError(f"{folder} holds no folders; expected one folder of images per class.")
    reader: dict[str, Any] = {"kind": "imagefolder", "folder": folder.resolve().name}
    options = {
        key: splits[split] for key, split in (("val", "validation"), ("test", "test")) if split in splits
    }
    reader |= {"options": options} if options else {}
    return _with_reader(_classes(folders), reader)


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path, text.encode("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error}.") from error
