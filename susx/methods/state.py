"""A fitted method in one safetensors file: hyper-parameters, state, and zero-shot's own classifier beside it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from susx.errors import InputError
from susx.methods.access import permitted
from susx.methods.base import Method, Need, Run, parameters
from susx.methods.evidence import Evidence, ImageFeatures, PromptEncoder
from susx.methods.registry import find_method
from susx.methods.zero_shot import ZeroShot, ZeroShotState
from susx.modes import plain_mode

__all__ = ["Fitted", "load_fitted", "save_fitted"]


@dataclass(frozen=True)
class Fitted:
    """A method with what its ``fit`` returned, and the classifier of class prompts alone as the reference."""

    method: Method[Any]
    state: Any
    zero_shot: ZeroShotState

    @classmethod
    def of(cls, method: Method[Any], evidence: Evidence, run: Run = Run()) -> Fitted:
        """Return the method fitted on what it declares to look at of the evidence."""
        return cls(method, method.fit(permitted(evidence, method.access), run), ZeroShot().fit(evidence))

    def bound(self, tower: Callable[[], PromptEncoder]) -> Fitted:
        """Return it with the text encoder where classifying needs one; ``tower`` is called only then.

        Raises:
            MismatchError: the method was fitted with another text encoder.
        """
        if Need.QUERY_TEXT not in self.method.needs:
            return self
        return dataclasses.replace(self, state=self.method.bound(self.state, tower()))

    def logits(self, query: ImageFeatures) -> Float[Tensor, "query classes"]:
        """Return the method's scores (see ``Method.logits``)."""
        return self.method.logits(self.state, query)


def save_fitted(path: Path, fitted: Fitted) -> None:
    """Write a fitted method. Tensors go to the file's body, other fields of the state as JSON to its metadata."""
    method, state = fitted.method, fitted.state
    tensors: dict[str, Tensor] = {}
    values: dict[str, Any] = {}
    for field in dataclasses.fields(state):
        if not field.metadata.get("kept", True):
            continue
        value = getattr(state, field.name)
        if isinstance(value, Tensor):
            # Two fields may be one tensor in memory, which safetensors refuses.
            tensors[f"state.{field.name}"] = value.contiguous().clone()
        else:
            values[field.name] = value
    zero_shot = fitted.zero_shot.text.contiguous()
    same = "state.text" in tensors and torch.equal(tensors["state.text"], zero_shot)
    if not same:
        tensors["zero_shot.text"] = zero_shot
    facts = {
        "method": method.name, "parameters": parameters(method), "state": values,
        "zero_shot": {"logit_scale": fitted.zero_shot.logit_scale},
    }  # fmt: skip
    # One entry: safetensors writes several in an order that differs from run to run, and equal states shall be equal bytes.
    save_file(tensors, path, metadata={"susx": json.dumps(facts, sort_keys=True)})
    plain_mode(path)


def load_fitted(path: Path) -> Fitted:
    """Return what ``save_fitted`` wrote.

    Raises:
        InputError: the file is no safetensors file of a method known here, or does not hold the fields of its state.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("susx", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as a fitted classifier ({error}). Fit again.") from error
    try:
        kind = find_method(facts["method"])
        method = kind(**facts["parameters"])
        values = dict(facts["state"]) | {
            name.removeprefix("state."): tensor
            for name, tensor in tensors.items()
            if name.startswith("state.")
        }
        build: Any = kind.state_type
        state = build(**{n: tuple(v) if isinstance(v, list) else v for n, v in values.items()})
        text = tensors.get("zero_shot.text", state.text)
        zero_shot = ZeroShotState(text, float(facts["zero_shot"]["logit_scale"]))
    except Exception as error:  # whatever a hostile file makes of the method's fields
        raise InputError(f"{path}: was written by another method or version ({error}). Fit again.") from error
    return Fitted(method, state, zero_shot)
