"""One reader per layout a data set has on disk."""

from susx.datasets.readers.coop import read_coop
from susx.datasets.readers.datasets_tables import read_datasets
from susx.datasets.readers.demo import read_demo
from susx.datasets.readers.imagefolder import read_imagefolder
from susx.datasets.readers.table import read_table
from susx.datasets.readers.torchvision_sets import read_torchvision
from susx.datasets.readers.webdataset import read_webdataset

__all__ = [
    "read_coop",
    "read_datasets",
    "read_demo",
    "read_imagefolder",
    "read_table",
    "read_torchvision",
    "read_webdataset",
]
