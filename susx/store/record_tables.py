"""One table format for records: a parquet file whose columns are the fields of a flat frozen dataclass."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from susx.errors import InputError
from susx.store.disk import whole_file

__all__ = ["read_rows", "write_rows"]

R = TypeVar("R")


def write_rows(path: Path, kind: type[R], rows: Iterable[R]) -> None:
    """Write records in their order, complete or not at all. Equal records give equal bytes.

    Parquet holds UTF-8, so a lone surrogate (half of a character, as broken JSON brings them) becomes ``?``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    records = [{name: _encodable(getattr(row, name)) for name in names} for row in rows]
    with whole_file(path) as partial:
        pq.write_table(pa.Table.from_pylist(records, schema=_schema(kind)), partial)  # type: ignore[arg-type]


def read_rows(path: Path, kind: type[R], what: str, *, without: Sequence[str] = ()) -> list[R]:
    """Read what :func:`write_rows` wrote. A column that an older file lacks has its field's default.

    Args:
        path: the file.
        kind: the dataclass of a record.
        what: what people call such a file, and where they find one.
        without: columns that are left on the disk.

    Raises:
        InputError: there is no such file, it is no parquet, or it holds other records.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise InputError(f"There is no {path}; give {what}.")
    try:
        stored = pq.read_schema(path).names
        fields = [field for field in dataclasses.fields(kind) if field.name not in without]  # type: ignore[arg-type]
        needed = {field.name for field in fields if field.default is dataclasses.MISSING}
        if missing := sorted(needed - {*stored}):
            raise InputError(
                f"{path} is no {kind.__name__} table: it lacks the columns {', '.join(missing)}. Give {what}."
            )
        table = pq.read_table(path, columns=[field.name for field in fields if field.name in stored])
        records: list[R] = _adapter(kind).validate_python(table.to_pylist())  # type: ignore[arg-type]
        return records
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is not a parquet file ({error}); give {what}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"{path}: row {first['loc'][0]}, {first['loc'][-1]}: {first['msg']}, found {first['input']!r:.50}. Give {what}."
        ) from error


def _encodable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


@functools.cache
def _adapter(kind: Any) -> Any:
    return TypeAdapter(list[kind])  # type: ignore[valid-type]


@functools.cache
def _schema(kind: Any) -> Any:
    import pyarrow as pa

    columns = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(), bytes: pa.binary()}
    return pa.schema(
        [(field.name, columns[_plain_type(kind, field.name)]) for field in dataclasses.fields(kind)]
    )


def _plain_type(kind: type, name: str) -> type:
    """Return the type of a column: a field may also be None, and one of some words is text."""
    hint = typing.get_type_hints(kind)[name]
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    (option,) = [option for option in options if option is not types.NoneType]
    return str if typing.get_origin(option) is typing.Literal else option
