"""What ``susx build --from-labels RESULT`` builds from: the classes and the images of a folder that was labelled."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from susx.config import DatasetConfig, load_dataset
from susx.config.complaints import complaints
from susx.errors import ConfigError, InputError
from susx.labelling.corrected import as_corrected
from susx.labelling.label_result import LabelResult
from susx.pipeline.build_plan import LabelledImages
from susx.pipeline.options import BuildOptions

__all__ = ["LABELS", "described", "labelled_images"]

LABELS = "labels"
"""What the source of such images is called among ``retrieve`` and ``generate``."""

_OUTSIDE = 0.5
"""Score of "none of these" up to which an image that nobody looked at stands for its label, where a pool says what lies outside.

The folder alone does not say that: without a pool the score ranks images, and its level means nothing (75 % of DTD's test images are above
one half, and no more of them are labelled wrongly). With them, and the classifier measured on val: +5.3 points (95 % interval 3.5 to 7.2)
over zero-shot, and +1.7 without them, n = 1,128.
"""


def described(options: BuildOptions) -> tuple[BuildOptions, DatasetConfig, LabelResult]:
    """Return the options of the build, its classes, and the labels as people have corrected them since.

    Where the profile is the default one, the result's own is taken, with its settings.

    Raises:
        ConfigError: an option that has no effect, or a class of the result that the data set does not have.
        InputError: the folder holds no labels.
    """
    if options.mode != BuildOptions.mode:
        raise ConfigError(
            f"--from-labels is a source of images itself: --mode {options.mode} has no effect beside it. Leave one of them out."
        )
    result = as_corrected(LabelResult.read(options.from_labels or ""))
    dataset = load_dataset(options.dataset) if options.dataset else _dataset(result)
    labels = {label for label in result.frame["label"] if label}
    if unknown := sorted(labels - set(dataset.classes)):
        raise ConfigError(
            f"{options.from_labels} has images of '{unknown[0]}', which is none of the {len(dataset.classes)} classes of "
            f"'{dataset.name}'. Leave --dataset out to build with the classes of the labels."
        )
    if options.profile == BuildOptions.profile:
        options = dataclasses.replace(
            options,
            profile=result.record.profile or options.profile,
            settings=(*result.record.settings, *options.settings),
        )
    return options, dataset, result


def labelled_images(result: LabelResult, per_class: int) -> Mapping[str, LabelledImages]:
    """Return class -> its images: all that a person said, and the surest of the rest up to ``per_class``; near-duplicates once.

    Raises:
        InputError: there are none.
    """
    frame = result.frame.sort_values(["probability", "digest"], ascending=[False, True], kind="stable")
    by_people = frame[frame["by_person"]].drop_duplicates(
        ["group", "label"]
    )  # also where answers in a group differ
    others = frame[~frame["by_person"] & ~frame["group"].isin(by_people["group"])].drop_duplicates("group")
    if result.record.pool:
        others = others[others["none_of_these"] <= _OUTSIDE]
    images = {}
    for name in filter(None, result.classes):
        labelled_by_people = by_people[by_people["label"] == name]
        rest = others[others["label"] == name].head(max(0, per_class - len(labelled_by_people)))
        if len(labelled_by_people) or len(rest):
            images[name] = LabelledImages(
                {
                    str(row.digest): str(result.image(str(row.path)))
                    for row in labelled_by_people.itertuples()
                },
                {str(row.digest): str(result.image(str(row.path))) for row in rest.itertuples()},
            )
    if not images:
        raise InputError(
            f"Nobody said the class of an image of {result.folder}, and all {len(frame)} look like none of its {len(result.classes)} classes: "
            f"there is nothing to build from. Say some in 'susx label review {result.folder}', or label with other names or weights."
        )
    return images


def _dataset(result: LabelResult) -> DatasetConfig:
    name = re.sub(r"[^\w.+-]+", "-", Path(result.record.folder).name).strip("-._+")[:90]
    try:
        return DatasetConfig(name=f"labels-{name}" if name else "labels", classes=result.classes)
    except ValidationError as error:
        reason = complaints(error)
        raise ConfigError(f"The classes of {result.folder} cannot be used: {reason}.") from error
