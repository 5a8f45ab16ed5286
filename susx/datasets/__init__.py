"""The images of a target data set: reading a split, checking a local copy, describing one's own."""

from susx.datasets.check import DatasetCheck, SplitCheck, check_dataset
from susx.datasets.labels import LabelMap
from susx.datasets.own import new_dataset
from susx.datasets.read import read_split
from susx.datasets.split import ReadableImages, TargetSplit

__all__ = [
    "DatasetCheck",
    "LabelMap",
    "ReadableImages",
    "SplitCheck",
    "TargetSplit",
    "check_dataset",
    "new_dataset",
    "read_split",
]
