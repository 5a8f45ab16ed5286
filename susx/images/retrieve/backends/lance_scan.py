"""What is read of a Lance data set: the columns that are asked for, of rows that meet the conditions; the data set itself looks both up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from susx.errors import ConfigError
from susx.images.retrieve.licences import read_licence

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LanceScan", "holds"]

_VALUES = 20_000
"""Different licences, at most, of which a filter is made."""


class LanceScan:
    """A data set under a person's condition and licences.

    Attributes:
        data: the Lance data set.
    """

    def __init__(self, data: Any, condition: str | None, licence: str, licences: Sequence[str]) -> None:
        """Name what is read.

        Args:
            data: the Lance data set.
            condition: in SQL over its columns.
            licence: column of licences, "" where it has none.
            licences: codes that are admitted, all where it is empty.

        Raises:
            ConfigError: the condition is none.
        """
        self.data, self._condition, self._licence, self._licences = data, condition, licence, licences
        try:
            data.count_rows(condition) if condition else None
        except Exception as error:
            raise ConfigError(
                f"retrieval.where: {data.uri} cannot be asked for '{condition}': {str(error).splitlines()[0][:200]}. Its columns are "
                f"{', '.join(data.schema.names)}."
            ) from error

    def batches(self, more: str | None = None, **options: Any) -> Any:
        """Yield batches of rows; ``more`` is a condition beside the others."""
        return self.data.scanner(filter=self._filter(more), prefilter=True, **options).to_batches()

    def table(self, **options: Any) -> pa.Table:
        """Return rows in one table."""
        return self.data.scanner(filter=self._filter(), prefilter=True, **options).to_table()

    def has_index(self, column: str) -> bool:
        """Whether there is an index of a column."""
        return any(column in index["fields"] for index in self._indices)

    @property
    def text_indices(self) -> set[str]:
        """Columns with a full-text index."""
        return {field for index in self._indices if index["type"] == "Inverted" for field in index["fields"]}

    @cached_property
    def _indices(self) -> list[Mapping[str, Any]]:
        return list(self.data.list_indices())

    def _filter(self, more: str | None = None) -> str | None:
        parts = [f"({part})" for part in (self._condition, self._licence_condition, more) if part]
        return " AND ".join(parts) or None

    @cached_property
    def _licence_condition(self) -> str:
        """Return the condition that a row's licence is admitted: the words of its column are looked through once."""
        column = self._licence
        if not self._licences or not column:
            return ""
        values: set[str] = set()
        for batch in self.data.scanner(columns=[column]).to_batches():
            values |= {value for value in batch[column].unique().to_pylist() if isinstance(value, str)}
            if len(values) > _VALUES:
                return ""  # what each row says is judged where it is found
        admitted = sorted(
            value
            for value in values
            if (licence := read_licence(value)) is not None and licence.code in self._licences
        )
        return f"{_quoted(column)} IN ({', '.join(map(_said, admitted))})" if admitted else "false"


def holds(column: str, text: str) -> str:
    """Return the condition that a text column holds a text, in any case."""
    return f"lower({_quoted(column)}) LIKE {_said('%' + text + '%')}"


def _quoted(column: str) -> str:
    return f"`{column}`"


def _said(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
