"""The modality gap: how cosines within images, within texts and between the two are distributed.

Liang et al., "Mind the Gap", NeurIPS 2022, describe the gap; figure 4 of SuS-X (Udandarao et al., ICCV 2023) shows that intra-modal
cosines are large and spread while inter-modal ones are small and narrow, which is why TIP-X compares signatures. The
overlap of paired and unpaired image-image cosines is the intra-modal overlap of Kravets & Namboodiri (BMVC 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from susx.errors import InputError, MismatchError
from susx.seeds import derive_seed

__all__ = ["CosineHistogram", "centroid_gap", "cosine_histograms", "intra_modal_overlap", "overlap"]

SAME_CLASS, OTHER_CLASS = "image-image, same class", "image-image, other class"

_CHUNK = 1024
_MOST_IMAGES = 4000
"""Images compared with each other; more are sampled. 8 million pairs tell a histogram all it can show."""


@dataclass(frozen=True)
class CosineHistogram:
    """Number of pairs per cosine bin, with the exact mean of the pairs; ``len(edges) == len(counts) + 1``."""

    name: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    mean: float | None


def cosine_histograms(
    images: Float[Tensor, "query dim"],
    labels: Int64[Tensor, " query"],
    text: Float[Tensor, "classes dim"],
    bins: int = 100,
    seed: int = 0,
) -> list[CosineHistogram]:
    """Return the five distributions: image-image and image-text paired (same class) and unpaired, and text-text.

    Rows are unit vectors. An image is never compared with itself, and each pair of images counts once. A class has one
    text row, so texts have no pairs of one class. Kinds without a pair are left out.

    Raises:
        MismatchError: widths, or numbers of images and labels, that do not fit.
        InputError: no images, fewer than one bin, or a label without a text row.
    """
    images, labels = _sampled(images, labels, seed)
    if images.shape[1] != text.shape[1]:
        raise MismatchError(
            f"Images have {images.shape[1]} dimensions, texts {text.shape[1]}: use one encoder for both."
        )
    if bins < 1 or int(labels.max()) >= len(text):
        raise InputError(
            f"Expected at least one bin and labels below {len(text)}, found {bins} and {int(labels.max())}."
        )
    paired, unpaired, texts = _Tally(bins), _Tally(bins), _Tally(bins)
    same, other = _image_pairs(images, labels, bins)
    for start in range(0, len(images), _CHUNK):
        rows = slice(start, start + _CHUNK)
        is_true_class = labels[rows, None] == torch.arange(len(text))[None]
        cosines = images[rows] @ text.float().T
        paired.add(cosines[is_true_class])
        unpaired.add(cosines[~is_true_class])
    above = torch.ones(len(text), len(text), dtype=torch.bool).triu(1)
    texts.add((text.float() @ text.float().T)[above])
    named = {
        SAME_CLASS: same,
        OTHER_CLASS: other,
        "text-text": texts,
        "image-text, same class": paired,
        "image-text, other class": unpaired,
    }
    return [tally.histogram(name) for name, tally in named.items() if tally.pairs]


def overlap(one: CosineHistogram, other: CosineHistogram) -> float:
    """Return the overlap of two distributions on the same bins: 1 when equal, 0 when disjoint."""
    if one.edges != other.edges:
        raise MismatchError("The overlap of two histograms needs the same bins; compute both with one call.")
    total, rest = sum(one.counts), sum(other.counts)
    return sum(min(a / total, b / rest) for a, b in zip(one.counts, other.counts, strict=True))


def intra_modal_overlap(histograms: Sequence[CosineHistogram]) -> float | None:
    """Return how far cosines of images of one class and of different classes overlap (0 would separate all pairs).

    Args:
        histograms: as from :func:`cosine_histograms`.

    Returns:
        None where there are no pairs of one of the two kinds.
    """
    histogram_of = {histogram.name: histogram for histogram in histograms}
    if SAME_CLASS not in histogram_of or OTHER_CLASS not in histogram_of:
        return None
    return overlap(histogram_of[SAME_CLASS], histogram_of[OTHER_CLASS])


def centroid_gap(images: Float[Tensor, "query dim"], text: Float[Tensor, "classes dim"]) -> float:
    """Return the distance between the mean image and the mean text (Liang et al., section 2)."""
    return float((images.double().mean(dim=0) - text.double().mean(dim=0)).norm())


def _image_pairs(
    images: Float[Tensor, "query dim"], labels: Int64[Tensor, " query"], bins: int
) -> tuple[_Tally, _Tally]:
    """Tally the cosines of image pairs of one class and of different classes, each pair once."""
    same, other = _Tally(bins), _Tally(bins)
    order = torch.arange(len(images))
    for start in range(0, len(images), _CHUNK):
        rows = slice(start, start + _CHUNK)
        alike = labels[rows, None] == labels[None]
        once = order[rows, None] < order[None]
        cosines = images[rows] @ images.T
        same.add(cosines[once & alike])
        other.add(cosines[once & ~alike])
    return same, other


def _sampled(
    images: Float[Tensor, "query dim"], labels: Int64[Tensor, " query"], seed: int
) -> tuple[Float[Tensor, "sampled dim"], Int64[Tensor, " sampled"]]:
    if len(images) != len(labels):
        raise MismatchError(f"{len(images)} images but {len(labels)} labels: expected one label per image.")
    if not len(images):
        raise InputError("The modality gap needs images; there are none.")
    images, labels = images.float().cpu(), labels.cpu()
    if len(images) <= _MOST_IMAGES:
        return images, labels
    generator = torch.Generator().manual_seed(derive_seed(seed, "modality gap", len(images)))
    keep = torch.randperm(len(images), generator=generator)[:_MOST_IMAGES].sort().values
    return images[keep], labels[keep]


class _Tally:
    """Counts of cosines over [-1, 1], added chunk by chunk."""

    def __init__(self, bins: int) -> None:
        self.counts = torch.zeros(bins, dtype=torch.int64)
        self.total, self.pairs = 0.0, 0

    def add(self, cosines: Tensor) -> None:
        index = ((cosines + 1) * (len(self.counts) / 2)).long().clamp(0, len(self.counts) - 1)
        self.counts += torch.bincount(index, minlength=len(self.counts))
        self.total += float(cosines.double().sum())
        self.pairs += len(cosines)

    def histogram(self, name: str) -> CosineHistogram:
        edges = torch.linspace(-1, 1, len(self.counts) + 1, dtype=torch.float64)
        return CosineHistogram(
            name, tuple(edges.tolist()), tuple(self.counts.tolist()), self.total / self.pairs
        )
