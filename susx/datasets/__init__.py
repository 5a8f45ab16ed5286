"""The images of a target data set: reading a split, checking a local copy, describing one's own."""

from susx.datasets.check_copy import DatasetCheck, SplitCheck, check_dataset
from susx.datasets.label_map import LabelMap
from susx.datasets.own import new_dataset
from susx.datasets.split import ReadableImages, TargetSplit
from susx.datasets.target_split import read_split

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
