"""Labelling a folder of photographs: labels, doubts, a person's answers, and what they are worth."""

from typing import TYPE_CHECKING

from susx.lazy_names import lazily

if TYPE_CHECKING:
    from susx.labelling.label_record import LabelRecord
    from susx.labelling.label_result import LabelResult

__all__ = ["LabelRecord", "LabelResult"]

_PLACES = {"label_record": ("LabelRecord",), "label_result": ("LabelResult",)}

# A folder is labelled from a bundle by functions of this package where there is no pandas.
__getattr__ = lazily(__name__, _PLACES)
