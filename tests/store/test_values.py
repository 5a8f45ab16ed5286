"""A frozen value survives its file, whatever its fields hold; a file of another value is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor

from susx.errors import InputError
from susx.store.values import read_value, value_to_bytes, write_value


@dataclass(frozen=True)
class Part:
    """A record within a value."""

    count: int
    shares: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Value:
    """One of each kind of field."""

    rows: Float[Tensor, "rows dim"]
    names: tuple[str, ...]
    scale: float
    patches: Float[Tensor, "rows dim"] | None = None
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    by_name: Mapping[str, int] = field(default_factory=dict)
    losses: Float[Tensor, " steps"] | None = field(default=None, metadata={"kept": False})


TEXT = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=6)


def same(one: Value, other: Value) -> bool:
    return vars(one).keys() == vars(other).keys() and all(
        torch.equal(mine, theirs) if isinstance(mine, Tensor) else mine == theirs
        for mine, theirs in zip(vars(one).values(), vars(other).values(), strict=True)
    )


@given(
    names=st.lists(TEXT, max_size=3).map(lambda names: tuple(n.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass") for n in names)),
    scale=st.floats(allow_nan=False), rows=st.integers(0, 3), parts=st.integers(0, 2), extra=st.booleans(),
)  # fmt: skip
def test_a_value_survives(tmp_path_factory, names, scale, rows, parts, extra):
    """Names with half a character, infinite numbers, no rows, fields that are None."""
    path = tmp_path_factory.mktemp("value") / "v.safetensors"
    tensor = torch.arange(2.0 * rows).reshape(rows, 2)
    part = Part(rows, {name: (scale,) for name in names})
    value = Value(tensor, names, scale, tensor if extra else None, part if extra else None, (part,) * parts)
    write_value(path, value)
    assert same(read_value(path, Value), value)
    assert value_to_bytes(read_value(path, Value)) == path.read_bytes()


def test_two_fields_may_be_one_tensor_and_a_slice_is_written_alone(tmp_path):
    whole = torch.arange(12.0).reshape(6, 2)
    write_value(tmp_path / "v", Value(whole[::2], (), 1.0, whole[::2], losses=torch.ones(3)))
    value = read_value(tmp_path / "v", Value)
    assert torch.equal(value.rows, whole[::2])
    assert torch.equal(value.patches, whole[::2])
    assert value.losses is None
    assert (tmp_path / "v").stat().st_size < 1000


def test_files_of_other_values_are_refused(tmp_path):
    """Missing, no safetensors, another value's fields, a field of another type: each says what was expected and what to do."""
    write_value(tmp_path / "part", Part(1, {}))
    (tmp_path / "text").write_text("hello")
    for name in ("gone", "text", "part"):
        with pytest.raises(InputError, match=r"cannot be read as Value \(.*\)\. Build again\."):
            read_value(tmp_path / name, Value, "Build again.")

    @dataclass(frozen=True)
    class Older:
        rows: Float[Tensor, "rows dim"]
        names: int
        scale: float

    write_value(tmp_path / "older", Older(torch.ones(1, 1), 3, 1.0))
    with pytest.raises(InputError, match="cannot be read as Value"):
        read_value(tmp_path / "older", Value)
