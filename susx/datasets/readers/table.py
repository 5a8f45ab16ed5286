"""Reader of a CSV (or TSV) with one row per image."""

from __future__ import annotations

import csv
from pathlib import Path

from susx.config import DatasetConfig, ReaderConfig
from susx.datasets.label_map import LabelMap
from susx.datasets.readers.file_splits import assemble
from susx.datasets.split import TargetSplit
from susx.errors import ConfigError
from susx.text_file import csv_reader, listed_path

__all__ = ["read_table"]


def read_table(
    config: DatasetConfig, reader: ReaderConfig, root: Path | None, split: str
) -> TargetSplit | None:
    """Read ``<root>/<folder>/<options.file>`` (default ``labels.csv``).

    Options: ``path_column`` (path), ``class_column`` (class), ``split_column`` (split; where there is none, the
    images of each class are dealt to the splits), ``val`` and ``test`` (the words in that column), ``images`` (folder of the
    images), ``delimiter``.

    Raises:
        ConfigError: a column is missing, or a class is not in the list.
    """
    if root is None:
        return None
    folder, options = root / reader.folder, reader.options
    file = folder / str(options.get("file", "labels.csv"))
    if not file.is_file():
        return None
    path_column, class_column = (
        str(options.get("path_column", "path")),
        str(options.get("class_column", "class")),
    )
    split_column = str(options.get("split_column", "split"))
    table = csv_reader(file, str(options["delimiter"]) if "delimiter" in options else None)
    try:
        columns = table.fieldnames or ()
        for column in (path_column, class_column, *((split_column,) if "split_column" in options else ())):
            if column not in columns:
                raise ConfigError(
                    f"{file} has no column '{column}'; it has: {', '.join(columns) or 'no header'}."
                )
        rows = []
        for row in table:
            if not all((row[column] or "").strip() for column in (path_column, class_column)):
                raise ConfigError(
                    f"{file}: line {table.line_num} lacks its {path_column} or its {class_column}."
                )
            rows.append({column: (value or "").strip() for column, value in row.items() if column in columns})
    except csv.Error as error:
        raise ConfigError(f"{file}, line {table.line_num}: {error}.") from error
    word = str(options.get(split, split))
    has_splits = split_column in columns
    kept = [row for row in rows if not has_splits or row[split_column] == word]
    images = folder / str(options.get("images", ""))
    return assemble(
        (
            (listed_path(images, row[path_column]), row[class_column], row[path_column].replace("\\", "/"))
            for row in kept
        ),
        LabelMap(config.classes, reader.class_map),
        reader,
        file,
        cut="" if has_splits else split,
    )
