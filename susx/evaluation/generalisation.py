"""Domain generalisation: fit on the class names and support of one data set, test on others with the same classes.

Classes are matched by name: imagenet-r holds 200 of the 1,000 classes of imagenet, in its own order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from susx.errors import InputError, MismatchError
from susx.evaluation.summary import Scores, score
from susx.methods.base import Method
from susx.methods.evidence import Evidence, ImageFeatures

__all__ = ["Target", "columns_of", "generalise"]


@dataclass(frozen=True)
class Target:
    """A labelled data set to test on; ``class_names[i]`` is label ``i``."""

    query: ImageFeatures
    labels: Int64[Tensor, " query"]
    class_names: tuple[str, ...]


def columns_of(source: Sequence[str], target: Sequence[str], name: str = "the target") -> list[int]:
    """Return for each class of the target its column in the source's classifier.

    >>> columns_of(["cat", "dog", "owl"], ["owl", "cat"])
    [2, 0]

    Raises:
        MismatchError: a class of the target is not among the source's.
    """
    place = {class_name: i for i, class_name in enumerate(source)}
    unknown = [class_name for class_name in target if class_name not in place]
    if unknown:
        shown = ", ".join(map(repr, unknown[:5]))
        raise MismatchError(
            f"{len(unknown)} of the {len(target)} classes of {name} are not among the {len(source)} the method was fitted "
            f"on ({shown}). Domain generalisation needs the same label space: use the same class names."
        )
    return [place[class_name] for class_name in target]


def generalise(method: Method[Any], evidence: Evidence, targets: Mapping[str, Target]) -> dict[str, Scores]:
    """Fit once, score on every target; a target with fewer classes is scored among its own classes only.

    Raises:
        InputError: the evidence does not name its classes.
        MismatchError: a target has a class that the evidence has not.
    """
    if evidence.class_names is None:
        raise InputError("Domain generalisation matches classes by name: give class_names with the evidence.")
    columns = {name: columns_of(evidence.class_names, t.class_names, name) for name, t in targets.items()}
    state = method.fit(evidence)
    return {
        name: score(method.logits(state, target.query)[:, torch.tensor(columns[name])], target.labels)
        for name, target in targets.items()
    }
