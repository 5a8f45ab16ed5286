"""What a method may look at when it is built. There is no slot for test data."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from susx.encoder_id import EncoderId
from susx.errors import InputError, MismatchError, NoSupportError

if TYPE_CHECKING:
    import torch
    from jaxtyping import Bool, Float, Int64
    from torch import Tensor

    from susx.methods.pool_statistics import PoolStatistics

__all__ = ["Evidence", "ImageFeatures", "PromptEncoder"]

Result = TypeVar("Result")


@runtime_checkable
class PromptEncoder(Protocol):
    """A frozen text encoder with a gap for learned words (``susx.features.text_tower.TextTower``)."""

    digest: str
    width: int
    device: torch.device

    def tokens(self, names: Sequence[str], words: int) -> Int64[Tensor, "classes length"]:
        """Return the tokens of placeholders followed by each name."""

    def word_vectors(self, sentence: str, words: int) -> Float[Tensor, "words width"]:
        """Return the vectors of a sentence's first words."""

    def encode(
        self, tokens: Int64[Tensor, "classes length"], context: Float[Tensor, "*classes words width"]
    ) -> Float[Tensor, "classes dim"]:
        """Return unit rows of the sentences whose placeholders are ``context``: one for all, or one for each."""


@dataclass(frozen=True)
class ImageFeatures:
    """Encoded images to classify.

    Rows are brought to float32 and unit norm (with a warning when they were not); zero or NaN rows are
    refused.

    Attributes:
        pooled: one row per image.
        patches: the image's patch tokens in the same space, for methods that need PATCHES.
        adapted: one row per image by the encoder with adapters, for methods that need ADAPTED.
        views: rows of views of the image, itself first, for methods that need VIEWS.
    """

    pooled: Float[Tensor, "query dim"]
    patches: Float[Tensor, "query patches dim"] | None = None
    adapted: Float[Tensor, "query dim"] | None = None
    views: Float[Tensor, "query views dim"] | None = None

    def __post_init__(self) -> None:
        from susx.methods.unit_rows import checked_unit_rows

        object.__setattr__(self, "pooled", checked_unit_rows(self.pooled, "query features"))
        if self.patches is not None:
            object.__setattr__(self, "patches", checked_unit_rows(self.patches, "query patches"))
            _same("query patches", len(self.patches), "query features", len(self.pooled), "rows")
        if self.adapted is not None:
            object.__setattr__(self, "adapted", checked_unit_rows(self.adapted, "adapted query features"))
            _same("adapted query features", len(self.adapted), "query features", len(self.pooled), "rows")
        if self.views is not None:
            object.__setattr__(self, "views", checked_unit_rows(self.views, "query views"))
            _same("query views", len(self.views), "query features", len(self.pooled), "rows")

    def __len__(self) -> int:
        return self.pooled.shape[0]

    def rows(self, start: int, stop: int) -> ImageFeatures:
        """Return the images ``start:stop``."""
        return self.take(slice(start, stop))

    def take(self, rows: slice | Int64[Tensor, " part"]) -> ImageFeatures:
        """Return some of the images."""
        parts = (None if t is None else t[rows] for t in (self.patches, self.adapted, self.views))
        return _trusted(self.pooled[rows], *parts)


@dataclass(frozen=True)
class Evidence:
    """Class prompts, support images and, optionally, labelled validation images.

    float16 and bfloat16 are brought to float32. Labels index the rows of ``text_classifier``.

    Attributes:
        text_classifier: one unit row per class.
        logit_scale: the encoder's own scale of the cosines, 100 for OpenAI CLIP.
        support_features, support_labels: unit rows and their class; a class may have none.
        support_labelled: which support images a person labelled (examples, shots, corrections); None: none of them, all were
            retrieved, generated or labelled by susx.
        support_patches: patch tokens of the support images.
        support_adapted, validation_adapted: rows of the same images by the encoder with adapters, for the methods that need ADAPTED.
        validation_features, validation_labels, validation_patches: labelled images of the target's validation
            split; read by tuning alone.
        pool: statistics of the pool that the support was chosen from, for the methods that need POOL.
        text_tower: the text encoder itself, for the methods that need TEXT_TOWER.
        encoder: which one made the rows, as far as it is known. For weights that were trained elsewhere, which belong to one encoder.
        class_names: for messages; duplicates are refused, as two classes of one name cannot be told apart.

    Raises:
        InputError: NaN or zero rows, labels out of range, duplicate class names, no classes.
        MismatchError: widths or lengths that do not fit each other.
    """

    text_classifier: Float[Tensor, "classes dim"]
    logit_scale: float = 100.0
    support_features: Float[Tensor, "support dim"] | None = None
    support_labels: Int64[Tensor, " support"] | None = None
    support_patches: Float[Tensor, "support patches dim"] | None = None
    validation_features: Float[Tensor, "validation dim"] | None = None
    validation_labels: Int64[Tensor, " validation"] | None = None
    validation_patches: Float[Tensor, "validation patches dim"] | None = None
    class_names: tuple[str, ...] | None = None
    pool: PoolStatistics | None = None
    text_tower: PromptEncoder | None = field(default=None, compare=False)
    _derived: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    encoder: EncoderId = EncoderId()
    support_adapted: Float[Tensor, "support dim"] | None = None
    validation_adapted: Float[Tensor, "validation dim"] | None = None
    support_labelled: Bool[Tensor, " support"] | None = None

    def __post_init__(self) -> None:
        from susx.methods.unit_rows import checked_unit_rows

        text = checked_unit_rows(self.text_classifier, "text classifier")
        object.__setattr__(self, "text_classifier", text)
        if not len(text):
            raise InputError(
                "The text classifier has no rows; at least one class is needed. Give class names."
            )
        if not (self.logit_scale > 0):
            raise InputError(
                f"The logit scale must be greater than 0 (100 for OpenAI CLIP), found {self.logit_scale}."
            )
        if self.class_names is not None:
            _check_names(self.class_names, len(text))
        for split in ("support", "validation"):
            self._check_split(split)
        if self.support_labelled is not None:
            rows = 0 if self.support_labels is None else len(self.support_labels)
            _same("support_labelled", len(self.support_labelled), "support labels", rows, "rows")

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.text_classifier.shape[0]

    @property
    def has_support(self) -> bool:
        """Whether there is at least one support image."""
        return self.support_features is not None and len(self.support_features) > 0

    @property
    def has_labelled(self) -> bool:
        """Whether a person labelled at least one support image."""
        return self.support_labelled is not None and bool(self.support_labelled.any())

    @property
    def has_validation(self) -> bool:
        """Whether there are labelled validation images."""
        return self.validation_features is not None and len(self.validation_features) > 0

    def support(self, method: str) -> tuple[Float[Tensor, "support dim"], Int64[Tensor, " support"]]:
        """Return support features and labels.

        Raises:
            NoSupportError: there is none; names the way out.
        """
        if not self.has_support or self.support_features is None or self.support_labels is None:
            raise NoSupportError(
                f"{method} compares images with support images, and there are none. Generate or retrieve some, give "
                "labelled shots, or use a method that needs only class names: zero_shot."
            )
        return self.support_features, self.support_labels

    def derived(self, name: Hashable, make: Callable[[], Result]) -> Result:
        """Return what follows from this evidence alone, made when it is first asked for by this name.

        Several fits on the same evidence (fixed values, tuned values, a search) share what none of their values enters.
        """
        if name not in self._derived:
            self._derived[name] = make()
        result: Result = self._derived[name]
        return result

    def support_part(self, keep: Bool[Tensor, " support"]) -> Evidence:
        """Return the evidence with the support rows that ``keep`` marks.

        Raises:
            NoSupportError: none is left.
        """
        features, labels = self.support("Taking a part")
        if not bool(keep.any()):
            raise NoSupportError("One fold holds every support row; use more folds or no folds.")
        patches, adapted, labelled = (
            None if t is None else t[keep]
            for t in (self.support_patches, self.support_adapted, self.support_labelled)
        )
        return dataclasses.replace(
            self, support_features=features[keep], support_labels=labels[keep], support_patches=patches,
            support_adapted=adapted, support_labelled=labelled,
        )  # fmt: skip

    def _check_split(self, split: str) -> None:
        from susx.methods.unit_rows import checked_labels, checked_unit_rows

        features, labels = getattr(self, f"{split}_features"), getattr(self, f"{split}_labels")
        if (features is None) != (labels is None):
            raise MismatchError(
                f"{split} features and {split} labels go together; only one of them was given."
            )
        if features is None or labels is None:
            return
        rows = checked_unit_rows(features, f"{split} features")
        _same(f"{split} features", rows.shape[1], "text classifier", self.text_classifier.shape[1], "columns")
        _same(f"{split} labels", labels.shape[0], f"{split} features", len(rows), "rows")
        object.__setattr__(self, f"{split}_features", rows)
        object.__setattr__(self, f"{split}_labels", checked_labels(labels, self.classes, f"{split} labels"))
        patches = getattr(self, f"{split}_patches")
        if patches is not None:
            _same(f"{split} patches", len(patches), f"{split} features", len(rows), "rows")
            object.__setattr__(self, f"{split}_patches", checked_unit_rows(patches, f"{split} patches"))
        adapted = getattr(self, f"{split}_adapted")
        if adapted is not None:
            _same(f"adapted {split} features", len(adapted), f"{split} features", len(rows), "rows")
            object.__setattr__(
                self, f"{split}_adapted", checked_unit_rows(adapted, f"adapted {split} features")
            )


def _trusted(
    pooled: Tensor, patches: Tensor | None, adapted: Tensor | None, views: Tensor | None
) -> ImageFeatures:
    """Build features from rows that were checked before, without reading them again."""
    features = object.__new__(ImageFeatures)
    object.__setattr__(features, "pooled", pooled)
    object.__setattr__(features, "patches", patches)
    object.__setattr__(features, "adapted", adapted)
    object.__setattr__(features, "views", views)
    return features


def _check_names(names: tuple[str, ...], classes: int) -> None:
    _same("class names", len(names), "text classifier", classes, "entries")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(
            f"Class names must differ; found more than once: {', '.join(map(repr, twice[:5]))}. Rename or merge them."
        )


def _same(what: str, actual: int, other: str, expected: int, unit: str) -> None:
    if actual != expected:
        raise MismatchError(
            f"{what} have {actual} {unit}, {other} has {expected}: they do not belong together. "
            "Encode both with the same model and from the same list."
        )
