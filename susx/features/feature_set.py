"""Features of one data set under one encoder: class prompts and whichever labelled splits there are."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from susx.errors import InputError, MismatchError
from susx.methods.rows import checked_labels, checked_unit_rows

__all__ = ["SPLITS", "FeatureSet", "Split", "checked_names", "checked_split"]

SPLITS: tuple[str, ...] = ("support", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Labelled images: unit rows, one class id per row, and patch tokens where the encoder yields them."""

    features: Float[Tensor, "rows dim"]
    labels: Int64[Tensor, " rows"]
    patches: Float[Tensor, "rows patches dim"] | None = None

    def __len__(self) -> int:
        return self.features.shape[0]


@dataclass(frozen=True)
class FeatureSet:
    """What a folder of features holds.

    Attributes:
        class_names: in the order of the labels.
        text: one unit row per class.
        logit_scale: the encoder's scale of cosines.
        support, validation, test: the splits found.
        source: folder and layout, for messages and reports.
        encoder: name of the encoder, or "".
        encoder_digest: sha256 over its architecture and weights, or "".
    """

    class_names: tuple[str, ...]
    text: Float[Tensor, "classes dim"]
    logit_scale: float = 100.0
    support: Split | None = None
    validation: Split | None = None
    test: Split | None = None
    source: str = ""
    encoder: str = ""
    encoder_digest: str = ""

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.text.shape[0]


def checked_split(
    features: Tensor,
    labels: Tensor,
    text: Tensor,
    features_file: str,
    labels_file: str,
    patches: Tensor | None = None,
) -> Split:
    """Return a split whose rows and labels can be used, or say which file cannot.

    Raises:
        InputError: NaN or zero rows, labels outside the class list; names the file.
        MismatchError: rows and labels of different lengths, or another width than the class prompts.
    """
    if features.ndim != 2 or features.shape[1] != text.shape[1]:
        raise MismatchError(
            f"{features_file}: expected rows of width {text.shape[1]} as in the text classifier, found shape "
            f"{tuple(features.shape)}. Encode images and prompts with the same model."
        )
    if labels.ndim != 1 or len(labels) != len(features):
        raise MismatchError(
            f"{labels_file}: expected {len(features)} labels, one per row of {features_file}, found shape "
            f"{tuple(labels.shape)}. Both files must come from the same run."
        )
    rows = checked_unit_rows(features, features_file)
    whole = None if patches is None else checked_unit_rows(patches, f"{features_file} (patches)")
    return Split(rows, checked_labels(labels, len(text), labels_file), whole)


def checked_names(names: tuple[str, ...], classes: int, file: str) -> tuple[str, ...]:
    """Return the names, or numbered ones when none are given.

    Raises:
        MismatchError: another number of names than classes.
        InputError: a name occurs twice.
    """
    if not names:
        return tuple(f"class {i}" for i in range(classes))
    if len(names) != classes:
        raise MismatchError(
            f"{file}: holds {len(names)} class names, the text classifier has {classes} rows."
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"{file}: class names must differ; more than once: {', '.join(map(repr, twice[:5]))}."
        )
    return names
