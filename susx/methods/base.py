"""What every classification method is: frozen hyper-parameters, ``fit`` on evidence, row-wise ``logits``."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from susx.errors import ConfigError
from susx.methods.evidence import Evidence, ImageFeatures

__all__ = ["Method", "Need", "check_hyper_parameters"]


class Need(Enum):
    """What a method cannot work without, beyond class prompts."""

    SUPPORT = "support"
    VALIDATION = "validation"
    PATCHES = "patches"


StateT = TypeVar("StateT")


@runtime_checkable
class Method(Protocol[StateT]):
    """A classifier of images by class prompts and, mostly, support images.

    A method is a frozen dataclass whose fields are its hyper-parameters. ``fit`` does once what depends on
    the evidence alone and returns a frozen dataclass of tensors and numbers. ``logits`` is row-wise: an
    image's logits never depend on the other images of the batch.
    """

    name: ClassVar[str]
    needs: ClassVar[frozenset[Need]]
    state_type: ClassVar[type]

    def fit(self, evidence: Evidence) -> StateT:
        """Return all that ``logits`` needs; the evidence itself is not needed again."""
        ...

    def logits(self, state: StateT, query: ImageFeatures) -> Float[Tensor, "query classes"]:
        """Return one row of float32 class scores per query image."""
        ...


def check_hyper_parameters(
    method: Any, *, positive: tuple[str, ...] = (), non_negative: tuple[str, ...] = ()
) -> None:
    """Refuse hyper-parameters outside their domain.

    Raises:
        ConfigError: names the method, the hyper-parameter, its value and what is allowed.
    """
    for name in (*positive, *non_negative):
        value = float(getattr(method, name))
        strict = name in positive
        if not (math.isfinite(value) and (value > 0 if strict else value >= 0)):
            word = "greater than 0" if strict else "0 or greater"
            raise ConfigError(
                f"{method.name}: {name} must be a finite number {word}, found {value}. Give such a value."
            )
