"""Drawn images as rows of a support set."""

from __future__ import annotations

from susx.images.generate.image_record import DrawnImage
from susx.records import SupportRow

__all__ = ["support_row"]


def support_row(drawn: DrawnImage, folder: str = "") -> SupportRow:
    """The table row of a drawn image.

    Args:
        drawn: record of the image or of its rejection.
        folder: where the images lie inside their artefact, for example "images".
    """
    return SupportRow(
        class_name=drawn.request.class_name,
        file=f"{folder}/{drawn.file}" if folder and drawn.file else drawn.file,
        digest=drawn.digest,
        origin="generated",
        prompt=drawn.request.prompt,
        seed=drawn.seed,
        model=drawn.model,
        width=drawn.width,
        height=drawn.height,
        rejected=drawn.rejected,
        detail=drawn.detail,
    )
