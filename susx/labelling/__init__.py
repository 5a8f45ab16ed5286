"""Labelling a folder of photographs: labels, doubts, a person's answers, and what they are worth."""

from susx.labelling.record import LabelRecord
from susx.labelling.result import LabelResult

__all__ = ["LabelRecord", "LabelResult"]
