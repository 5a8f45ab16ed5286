"""Labelling a folder of photographs: labels, doubts, a person's answers, and what they are worth."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from susx.labelling.label_record import LabelRecord
    from susx.labelling.label_result import LabelResult

__all__ = ["LabelRecord", "LabelResult"]

_PLACES = {"LabelRecord": "label_record", "LabelResult": "label_result"}


def __getattr__(name: str) -> Any:
    # A folder is labelled from a bundle by functions of this package where there is no pandas.
    import importlib

    if name not in _PLACES:
        raise AttributeError(f"module 'susx.labelling' has no attribute {name!r}")
    return getattr(importlib.import_module(f"susx.labelling.{_PLACES[name]}"), name)
