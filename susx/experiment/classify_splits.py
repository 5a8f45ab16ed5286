"""The scores of a fitted method on the labelled splits of the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from susx.datasets.encoded_split import EncodedSplit
from susx.experiment.of_build import labelled_features
from susx.methods.state import Fitted

__all__ = ["ClassifiedSplits", "classify_splits"]


@dataclass(frozen=True)
class ClassifiedSplits:
    """Logits and labels of the test split, and of the validation split where there is one."""

    test: Float[Tensor, "query classes"]
    test_labels: Int64[Tensor, " query"]
    val: Float[Tensor, "validation classes"] | None = None
    val_labels: Int64[Tensor, " validation"] | None = None

    @property
    def held_out(self) -> tuple[Float[Tensor, "validation classes"], Int64[Tensor, " validation"]] | None:
        """Logits and labels of the validation split; None where there is none."""
        return None if self.val is None or self.val_labels is None else (self.val, self.val_labels)

    @property
    def correct(self) -> int:
        """Images of the test split that are classified rightly."""
        return int((self.test.argmax(dim=1) == self.test_labels).sum())


def classify_splits(
    fitted: Fitted, splits: Mapping[str, EncodedSplit], classes: Sequence[str]
) -> ClassifiedSplits:
    """Classify the images of ``test`` and, where it is there, ``val``."""
    scores: dict[str, Tensor] = {}
    for name, split in splits.items():
        features, labels = labelled_features(split, classes)
        scores |= {name: fitted.logits(features), f"{name}_labels": labels}
    return ClassifiedSplits(**scores)
