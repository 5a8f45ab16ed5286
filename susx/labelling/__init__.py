"""Labelling a folder of photographs: labels, doubts, a person's answers, and what they are worth."""

from susx.labelling.label_record import LabelRecord
from susx.labelling.label_result import LabelResult

__all__ = ["LabelRecord", "LabelResult"]
