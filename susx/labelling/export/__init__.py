"""Labels as other programs read them, one file a format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from susx.errors import ConfigError, InputError, did_you_mean

if TYPE_CHECKING:
    from susx.labelling.label_result import LabelResult

__all__ = ["FORMATS", "export_labels"]

FORMATS: Mapping[str, str] = {
    "coco": "images and annotations.json; a box is the whole image",
    "fiftyone": "FiftyOneImageClassificationDataset: data/ and labels.json",
    "label-studio": "tasks.json with labels as predictions (as annotations where a person said them), config.xml",
    "datasets": "parquet with the images, as datasets.load_dataset reads it",
    "webdataset": "tar files of jpg, cls, txt and json",
}
"""Name -> what is written."""


def export_labels(result: LabelResult, form: str, out: Path, *, least: float = 0.0) -> int:
    """Write the labels and (but for Label Studio) copies of the images to a new folder, and return the number of images.

    Images of which a person said that they show none of the classes are left out, but for Label Studio.

    Args:
        result: a labelled folder.
        form: one of ``FORMATS``.
        out: new or empty.
        least: probability from which a label counts; what a person said has 1.

    Raises:
        ConfigError: no such format.
        InputError: ``out`` is not empty, no label is left, or an image is not there any more or has changed.
        StoreError: it cannot be written.
    """
    from susx.labelling.export import label_studio, support_formats

    if form not in FORMATS:
        raise ConfigError(f"There is no format '{form}'.{did_you_mean(form, FORMATS)}")
    chosen = result.frame[result.frame["probability"] >= least]
    if not len(chosen):
        raise InputError(
            f"None of the {len(result)} labels has a probability of {least:g} or more; nothing is exported."
        )
    if form == "label-studio":
        return label_studio.export(result, chosen, out)
    return support_formats.export(result, chosen, form, out)
