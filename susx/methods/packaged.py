"""What a packaged classifier is, in one sentence: its method, and whether anything is left of it beyond the class prompts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from susx.methods.base import Method
from susx.methods.registry import REFERENCE
from susx.types import Json

__all__ = ["Packaged", "packaged"]


@dataclass(frozen=True)
class Packaged:
    """The method of a classifier as people and programs are told of it.

    Attributes:
        method, title, tuning: its name, the name that papers write, and the protocol ("" without anything to choose).
        is_zero_shot: whether the class prompts decide alone.
        why: what leaves the support images without a say, "" where they have one or the method uses none.
        fit_says: a sentence of the fit itself, such as how far it trusts its support; "" where it has none.
        class_trust: how far each class's support is trusted, in label order; () where nothing is said of it.
    """

    method: str
    title: str
    tuning: str
    is_zero_shot: bool
    why: str = ""
    fit_says: str = ""
    class_trust: tuple[float, ...] = ()

    @property
    def sentence(self) -> str:
        """What terminal, report, predictions and service say."""
        name = f"packaged: {self.title}" + (f" ({self.tuning})" if self.tuning else "")
        here = f", which here is zero-shot: {self.why}" if self.why else ""
        return f"{name}{here}." + (f" {self.fit_says}" if self.fit_says else "")

    def as_json(self) -> dict[str, Json]:
        """Return the fields and the sentence; the trust in each class stands with the classes."""
        fields = dataclasses.asdict(self)
        del fields["class_trust"]
        return {**fields, "sentence": self.sentence}


def packaged(method: Method[Any], state: Any, tuning: str) -> Packaged:
    """Return what is said of a fitted method that was tuned by a protocol."""
    why = method.why_zero_shot(state)
    return Packaged(
        method.name, method.title, tuning if method.axes else "", bool(why) or method.name == REFERENCE, why,
        method.fit_says(state), method.class_trust(state),
    )  # fmt: skip
