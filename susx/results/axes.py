"""Along what the rows of a result differ, and how each value of it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from susx.errors import ConfigError, InputError, did_you_mean
from susx.experiment.result_rows import Row
from susx.methods import known_methods
from susx.methods.access import ACCESS, access_text

__all__ = ["AXES", "Axis", "axes_of", "matching", "title_of", "undecided", "values_of"]


@dataclass(frozen=True)
class Axis:
    """One of the things that rows differ by.

    Attributes:
        name: on the command line.
        of: value of a row; rows of one value stand together.
        heading: of a table.
        shared: a value that belongs beside every other, as the tuning of a method without hyper-parameters does; None: none.
    """

    name: str
    of: Callable[[Row], str]
    heading: str
    shared: str | None = None


def _shots(row: Row) -> str:
    if "shots" not in row.access:
        return "0"
    return "all" if row.shots is None else str(row.shots)


def _method(row: Row) -> str:
    values = ", ".join(f"{name} = {value}" for name, value in sorted(row.parameters.items()))
    return f"{row.method} ({values})" if values else row.method


AXES: dict[str, Axis] = {
    axis.name: axis
    for axis in (
        Axis("method", _method, "method"),
        Axis("tuning", lambda row: row.tuning, "tuning", shared="-"),
        Axis("access", lambda row: access_text(row.access), "looks at"),
        Axis("shots", _shots, "labelled images per class", shared="0"),
        Axis("dataset", lambda row: row.dataset, "data set"),
        Axis("regime", lambda row: row.regime, "folder"),
    )
}
"""Draws and seeds are no axes: what differs by them alone is averaged."""


def axes_of(names: str) -> tuple[Axis, ...]:
    """Return the axes of a list joined by commas.

    Raises:
        ConfigError: there is no such axis.
    """
    listed = [name.strip() for name in names.split(",") if name.strip()]
    for name in listed:
        if name not in AXES:
            raise ConfigError(
                f"Rows do not differ by '{name}'.{did_you_mean(name, AXES)} Give some of {', '.join(AXES)}."
            )
    return tuple(AXES[name] for name in listed)


def values_of(axis: Axis, rows: Iterable[Row]) -> list[str]:
    """Return the values of an axis in the order of tables: numbers rise, access grows, others as they come."""
    values = list(dict.fromkeys(axis.of(row) for row in rows))
    if axis.name == "shots":
        return sorted(values, key=lambda value: (value == "all", int(value) if value.isdecimal() else 0))
    if axis.name == "access":
        return sorted(
            values, key=lambda value: (value.count("+"), [ACCESS.index(part) for part in value.split(" + ")])
        )  # type: ignore[arg-type]
    return values


def title_of(method: str) -> str:
    """Return how papers write a method, with the parameters that were set."""
    name, bracket, rest = method.partition(" (")
    registered = known_methods().get(name)
    return (registered.title if registered is not None else name) + bracket + rest


def matching(rows: Sequence[Row], where: Sequence[str]) -> list[Row]:
    """Return the rows that AXIS=VALUE leaves; several values are joined by commas.

    What belongs beside every value stays: methods without hyper-parameters, and those that look at no labelled images.

    Raises:
        ConfigError: no such axis or value, or nothing is left.
    """
    left = list(rows)
    for clause in where:
        name, sign, wanted = clause.partition("=")
        if not sign or name.strip() not in AXES:
            raise ConfigError(f"--where takes AXIS=VALUE with one of {', '.join(AXES)}, found '{clause}'.")
        axis = AXES[name.strip()]
        values = {_spelled(value) for value in wanted.split(",")}
        there = {_spelled(value): value for value in values_of(axis, left)}
        if unknown := sorted(values - set(there)):
            raise ConfigError(
                f"--where {clause}: no row has the {axis.name} '{unknown[0]}'.{did_you_mean(unknown[0], there.values())} "
                f"There are {', '.join(there.values())}."
            )
        left = [row for row in left if _spelled(axis.of(row)) in values or axis.of(row) == axis.shared]
    if not left:
        raise ConfigError("No row is left of the result. Leave out a --where.")
    return left


def undecided(rows: Sequence[Row], placed: Iterable[Axis]) -> None:
    """Refuse a table whose entries would mix what is no draw.

    Raises:
        InputError: names the axis, its values, and the ways out.
    """
    held = {axis.name for axis in placed} | {"dataset"}
    for axis in AXES.values():
        values = [value for value in values_of(axis, rows) if value != axis.shared]
        if axis.name not in held and len(values) > 1 and not _follows(axis, rows, held):
            raise InputError(
                f"The rows differ in their {axis.name} ({', '.join(values)}), and the table has no place for it. Add it to --rows, "
                f"--columns or --group, or choose one: --where {axis.name}={values[0].replace(' ', '')}."
            )


def _follows(axis: Axis, rows: Sequence[Row], held: set[str]) -> bool:
    """Whether the axis of a row follows from what the table shows of it, as the tuning may from the access."""
    seen: dict[tuple[str, ...], set[str]] = {}
    for row in rows:
        key = tuple(AXES[name].of(row) for name in sorted(held))
        seen.setdefault(key, set()).add(axis.of(row))
    return all(len(values) == 1 for values in seen.values())


def _spelled(value: str) -> str:
    return value.replace(" ", "")
