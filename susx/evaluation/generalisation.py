"""Domain generalisation: the columns of a classifier that stand for another data set's classes, matched by name.

imagenet-r holds 200 of the 1,000 classes of imagenet, in its own order. See ``susx.classifier.generalise``.
"""

from __future__ import annotations

from collections.abc import Sequence

from susx.errors import MismatchError

__all__ = ["columns_of"]


def columns_of(source: Sequence[str], target: Sequence[str], name: str = "the target") -> list[int]:
    """Return for each class of the target its column in the source's classifier.

    >>> columns_of(["cat", "dog", "owl"], ["owl", "cat"])
    [2, 0]

    Raises:
        MismatchError: a class of the target is not among the source's.
    """
    column = {class_name: i for i, class_name in enumerate(source)}
    unknown = [class_name for class_name in target if class_name not in column]
    if unknown:
        shown = ", ".join(map(repr, unknown[:5]))
        raise MismatchError(
            f"{len(unknown)} of the {len(target)} classes of {name} are not among the {len(source)} the method was fitted "
            f"on ({shown}). Domain generalisation needs the same label space: use the same class names."
        )
    return [column[class_name] for class_name in target]
