"""Support sets: curation with counted reasons, the table of kept and rejected images, export.

* ``curate(rows, features, texts, logit_scale, target_hashes, target_features, config, per_class, safety=None) -> rows``: pure;
  same rows, same order, some marked as rejected. ``texts`` maps a class to its unit text vector.
* ``write_support(path, rows)`` / ``read_support(path)``: ``support.parquet``; equal rows give equal bytes.
* ``count_reasons(rows, classes)``: class -> reason -> number, kept images under ``"kept"``.
* ``export_imagefolder(rows, classes, locate, out)`` / ``export_webdataset``, ``export_parquet``, ``export_coco``, ``export_fiftyone``: kept images with origins and licences.
* ``SafetyTexts(safe=encode(SAFE_TEXTS), unsafe=encode(UNSAFE_TEXTS), scale)`` for ``curation.clip_safety``.
"""

from susx.images.support.curate import RULES, curate
from susx.images.support.export_annotated import export_coco, export_fiftyone
from susx.images.support.export_parquet import export_parquet
from susx.images.support.export_support import export_imagefolder, export_webdataset
from susx.images.support.safety import SAFE_TEXTS, UNSAFE_TEXTS, SafetyTexts
from susx.images.support.support_table import KEPT, count_reasons, read_support, write_support

__all__ = [
    "KEPT",
    "RULES",
    "SAFE_TEXTS",
    "UNSAFE_TEXTS",
    "SafetyTexts",
    "count_reasons",
    "curate",
    "export_coco",
    "export_fiftyone",
    "export_imagefolder",
    "export_parquet",
    "export_webdataset",
    "read_support",
    "write_support",
]
