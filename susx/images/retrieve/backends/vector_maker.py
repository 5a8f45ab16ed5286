"""Which encoder made the vectors of a table: what a person says, what lancedb wrote into it, and whether its images agree."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from susx.config import EncoderConfig
from susx.errors import ModelError
from susx.features.identity import identify_encoder, is_embedded
from susx.images.retrieve.backends.backend import TextEncoder
from susx.images.retrieve.backends.columns import image_bytes
from susx.types import Json

if TYPE_CHECKING:
    from susx.features.encoder import Encoder

__all__ = ["PROBED", "SAME_ENCODER", "identity_of", "load_maker", "made_these", "told_maker"]

PROBED = 8
"""Rows whose images are compared with their vectors."""

SAME_ENCODER = 0.9
"""Median cosine of a row's vector and its image as an encoder makes it, from which the vectors are that encoder's. Other resizing of the same
image costs some hundredths; vectors of another encoder have cosines near 0."""


def told_maker(
    made_by: EncoderConfig | None, metadata: Mapping[bytes, bytes] | None, vector: str
) -> EncoderConfig | str | None:
    """Return the encoder that made a column of vectors, a sentence where one is told that cannot be had here, None where none is told.

    Of a table's own word only weights that open_clip publishes are taken, or the embedded model: a stranger's table names no file to be loaded.

    Args:
        made_by: what a person says; it counts before what the table says.
        metadata: of the table's schema; lancedb writes its functions under ``embedding_functions``.
        vector: the column.
    """
    if made_by is not None:
        return made_by
    try:
        functions = json.loads((metadata or {})[b"embedding_functions"])
        name, options = next(
            (str(one["name"]), one["model"]) for one in functions if one["vector_column"] == vector
        )
        model, pretrained = str(options.get("name", "")), str(options.get("pretrained", ""))
    except (KeyError, ValueError, TypeError, AttributeError, StopIteration, RecursionError):
        return None
    if name != "open-clip":
        return (
            f"Its vectors were made by lancedb's function '{name[:80]}', which is no encoder of open_clip's."
        )
    if is_embedded(model):
        return EncoderConfig(model=model)
    if not _published(model, pretrained):
        return f"Its vectors were made by '{model[:80]}' with weights '{pretrained[:80]}', which open_clip does not publish; name them with retrieval.made_by."
    return EncoderConfig(model=model, pretrained=pretrained)


def identity_of(maker: EncoderConfig | str) -> Json:
    """Return which encoder it is; where it cannot be had, that it cannot: another time it is asked."""
    try:
        return "not to be had" if isinstance(maker, str) else identify_encoder(maker).id.as_json()
    except ModelError:
        return "not to be had"


def load_maker(maker: EncoderConfig) -> Encoder:
    """Load it.

    Raises:
        ModelError: it cannot be had.
    """
    from susx.features.encoder import load_encoder

    return load_encoder(maker)


def made_these(
    encoder: TextEncoder, images: Sequence[Any], vectors: Sequence[Any], *, unless_empty: bool = False
) -> bool:
    """Whether an encoder gives images these vectors; ``unless_empty`` where there is none to compare.

    Args:
        encoder: of images too; else nothing can be compared.
        images: cells of a table, encoded.
        vectors: of the same rows, or None.
        unless_empty: what is answered without a picture that can be decoded.
    """
    from PIL import Image

    encode = getattr(encoder, "encode_images", None)
    cosines = []
    for cell, vector in zip(images, vectors, strict=True):
        try:
            picture = Image.open(io.BytesIO(image_bytes(cell) or b"")).convert("RGB")
        except Exception:  # of as many kinds as there are broken pictures
            continue
        if encode is not None and vector is not None and (norm := float(np.linalg.norm(vector))) > 0:
            made = encode([picture])[0].numpy()
            cosines.append(float(made @ np.asarray(vector, np.float32)) / norm)
    return float(np.median(cosines)) >= SAME_ENCODER if cosines else unless_empty


def _published(model: str, pretrained: str) -> bool:
    from susx.features.open_clip_import import import_open_clip

    open_clip = import_open_clip()
    return (model, pretrained) in set(open_clip.list_pretrained())
