"""A labelled split of the target, encoded and hashed; only measured on, never built from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from PIL import Image

from susx.datasets.split import ReadableImages, TargetSplit
from susx.features.encoded import EncodedImages, encode
from susx.features.encoder import Encoder
from susx.methods.adapters import Adapters

__all__ = ["EncodedSplit", "encode_split"]


@dataclass(frozen=True)
class EncodedSplit(EncodedImages):
    """The images of a split that could be decoded, in the order of their names.

    Attributes:
        labels: class names: a list of classes in another order leaves the split as it is.
        names: of the images.
        hashes: their perceptual hashes.
        unreadable: name -> reason of the images that are left out.
    """

    labels: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)


def encode_split(
    encoder: Encoder,
    split: TargetSplit,
    classes: Sequence[str],
    hash_of: Callable[[Image.Image], str],
    *,
    patches: bool = False,
    adapters: Adapters | None = None,
    views: int = 0,
) -> EncodedSplit:
    """Encode the images of a split that can be decoded, in its order.

    Args:
        encoder: what encodes them.
        split: the labelled images.
        classes: names of the labels.
        hash_of: the perceptual hash of an image.
        patches, adapters, views: what methods ask for, see ``encode``.

    Raises:
        InputError: more than ``MOST_UNREADABLE`` of the split cannot be decoded.
    """
    hashes: list[str] = []
    readable = ReadableImages(split)

    def pictures() -> Iterator[Image.Image]:
        if readable.places or readable.unreadable:  # read before: the same images again
            yield from (split.image(row) for row in readable.places)
            return
        for image in readable:
            hashes.append(hash_of(image))
            yield image

    encoded = encode(encoder, pictures, patches=patches, adapters=adapters, views=views)
    return EncodedSplit(
        encoded.image, encoded.patches, encoded.adapted, encoded.views,
        labels=tuple(classes[split.labels[row]] for row in readable.places),
        names=tuple(split.names[row] for row in readable.places),
        hashes=tuple(hashes), unreadable=readable.unreadable,
    )  # fmt: skip
