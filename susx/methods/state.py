"""Fitted state as named tensors and back, so that a classifier can be written to one safetensors file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from susx.errors import InputError, did_you_mean
from susx.methods.registry import METHODS

__all__ = ["load_fitted", "save_fitted", "state_from_tensors", "state_to_tensors"]


def state_to_tensors(state: Any) -> dict[str, Tensor]:
    """Return the fields of a fitted state; a number becomes a float64 tensor of no dimension.

    >>> from susx.methods.zero_shot import ZeroShotState
    >>> sorted(state_to_tensors(ZeroShotState(torch.eye(2), 100.0)))
    ['logit_scale', 'text']
    """
    tensors = {}
    for field in dataclasses.fields(state):
        value = getattr(state, field.name)
        tensor = value if isinstance(value, Tensor) else torch.tensor(float(value), dtype=torch.float64)
        tensors[field.name] = tensor.contiguous()
    return tensors


def state_from_tensors(state_type: type, tensors: dict[str, Tensor]) -> Any:
    """Return a fitted state of ``state_type``.

    Raises:
        InputError: the names are not the fields of that state.
    """
    names = {field.name for field in dataclasses.fields(state_type)}
    if names != set(tensors):
        raise InputError(
            f"Expected the fields {sorted(names)} of {state_type.__name__}, found {sorted(tensors)}. "
            "The file was written by another method or version: fit again."
        )
    return state_type(**{name: float(value) if value.ndim == 0 else value for name, value in tensors.items()})


def save_fitted(path: Path, method: Any, state: Any) -> None:
    """Write a method with its hyper-parameters and fitted state to one safetensors file."""
    # One entry: safetensors writes several in an order that differs from run to run, and equal states shall be equal bytes.
    facts = json.dumps({"method": method.name, "parameters": dataclasses.asdict(method)}, sort_keys=True)
    save_file(state_to_tensors(state), path, metadata={"susx": facts})


def load_fitted(path: Path) -> tuple[Any, Any]:
    """Return the method and the state that ``save_fitted`` wrote.

    Raises:
        InputError: the file is no safetensors file of a method known here.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("susx", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read as a fitted classifier ({error}). Fit again.") from error
    name = metadata.get("method", "")
    if name not in METHODS:
        raise InputError(
            f"{path}: holds a classifier of method '{name}', which is not known.{did_you_mean(name, METHODS)}"
        )
    method = METHODS[name](**metadata["parameters"])
    return method, state_from_tensors(METHODS[name].state_type, tensors)
