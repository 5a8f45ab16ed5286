"""``labels.json``: what a table of labels was made from, and with what."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from susx.encoder_id import EncoderId
from susx.errors import InputError
from susx.printable import for_json
from susx.types import Json

if TYPE_CHECKING:
    from susx.methods.functional.folder_accuracy import AccuracyEstimate

__all__ = ["LabelRecord"]


@dataclass(frozen=True)
class LabelRecord:
    """What holds for all labels of a result.

    Attributes:
        classes: class names in the order of the list; classes that people added since come last.
        folder: absolute path of the photographs; paths of the table are relative to it where they lie below it.
        encoder: whose features they are.
        store: address of the store that holds the features.
        profile: name of the profile.
        toy: whether it is the embedded toy, which knows nothing but textures.
        pool: what the classifier was fitted with besides the names; "" where there was nothing but the folder itself.
        method: name of the method that labelled.
        settings: dotted keys of the profile that were set by hand, as they were given.
        versions: library -> version.
        left_out: reason -> number of files that are no row of the table; ``left_out.csv`` names them.
        estimated_accuracy: share of right labels, estimated from the fit alone; None where nothing was estimated.
        estimated_low, estimated_high: where 95 % of the folders of the study would lie.
        made: when, ISO 8601 with the zone.
    """

    classes: tuple[str, ...]
    folder: str
    encoder: EncoderId
    store: str = ""
    profile: str = ""
    toy: bool = False
    pool: str = ""
    method: str = ""
    settings: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    estimated_accuracy: float | None = None
    estimated_low: float = 0.0
    estimated_high: float = 1.0
    made: str = ""

    def with_classes(self, names: Iterable[str]) -> LabelRecord:
        """Return the record with the names that are no classes yet as its last classes; "" is none."""
        added = (name for name in names if name)
        return dataclasses.replace(self, classes=tuple(dict.fromkeys([*self.classes, *added])))

    def with_estimate(self, estimate: AccuracyEstimate) -> LabelRecord:
        """Return the record with what the fit says of itself; nothing where it speaks of no image."""
        if not estimate.images:
            return dataclasses.replace(self, estimated_accuracy=None, estimated_low=0.0, estimated_high=1.0)
        value, low, high = (round(number, 6) for number in (estimate.value, estimate.low, estimate.high))
        return dataclasses.replace(self, estimated_accuracy=value, estimated_low=low, estimated_high=high)

    def as_json(self) -> bytes:
        """Return the content of ``labels.json``."""
        text = json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False)
        return for_json(text).encode()

    @classmethod
    def from_json(cls, data: bytes, name: str) -> LabelRecord:
        """Read what ``as_json`` wrote; keys of a later version are passed over.

        Raises:
            InputError: it is something else; ``name`` says what.
        """
        try:
            values: dict[str, Json] = json.loads(data)
            present = {
                item.name: values[item.name] for item in dataclasses.fields(cls) if item.name in values
            }
            for key in ("classes", "settings"):
                present[key] = tuple(present.get(key, ()))
            return cls(**{**present, "encoder": EncoderId(**present["encoder"])})
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise InputError(
                f"{name} is no record of a labelled folder ({error}). Label the folder again: susx label FOLDER."
            ) from error
