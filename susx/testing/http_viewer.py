"""The search of the Hugging Face Hub's data set viewer on loopback, by its documentation, with signed links that expire."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from susx.config.spelling import NameFinder
from susx.testing.http_source import Answer, SourceServer

__all__ = ["ViewerServer"]

PAGE = 100
DATASET = "somebody/pictures"


class ViewerServer(SourceServer):
    """``GET splits`` and ``GET search`` of the data set ``somebody/pictures``.

    Attributes:
        lifetime: seconds for which the link of an image is good.
        splits: pairs of configuration and split.
    """

    lifetime: float = 3600.0
    splits: Sequence[tuple[str, str]] = (("default", "train"),)

    def serves(self, query: Mapping[str, str]) -> bool:
        """Whether a link is signed and has not run out."""
        ends = query.get("Expires", "0")
        return query.get("Signature") == _signature(ends) and time.time() < float(ends)

    def answer(self, path: str, parameters: dict[str, str], headers: Mapping[str, str]) -> Answer:
        """Answer as the API does."""
        if not path.endswith(("/splits", "/search")):
            return 404, {"error": "Not Found"}, {}
        if parameters.get("dataset") != DATASET:
            return (
                404,
                {"error": "The dataset does not exist, or is not accessible without authentication."},
                {},
            )
        if path.endswith("/splits"):
            rows = [{"dataset": DATASET, "config": config, "split": split} for config, split in self.splits]
            return 200, {"splits": rows, "pending": [], "failed": []}, {}
        if (parameters["config"], parameters["split"]) not in self.splits:
            return 404, {"error": "The split does not exist."}, {}
        offset, length = int(parameters.get("offset", 0)), int(parameters.get("length", PAGE))
        if length > PAGE:
            return 422, {"error": f"Parameter 'length' must not be greater than {PAGE}"}, {}
        finder = NameFinder([parameters["query"]])
        matching = [at for at, one in enumerate(self.shown) if finder.names_in(one.caption)]
        start = max(0, offset - self.repeat * (offset // PAGE))
        return 200, {
            "features": [
                {"feature_idx": 0, "name": "image", "type": {"_type": "Image"}},
                *({"feature_idx": at, "name": name, "type": {"dtype": "string", "_type": "Value"}} for at, name in enumerate(_TEXTS, 1)),
            ],
            "rows": [self._row(at) for at in matching[start : start + length]],
            "num_rows_total": len(matching) if self.announced is None else self.announced,
            "num_rows_per_page": PAGE, "partial": False,
        }, {}  # fmt: skip

    def _row(self, at: int) -> dict[str, Any]:
        one, ends = self.shown[at], f"{time.time() + self.lifetime:.3f}"
        link = f"{self.picture(at)}?Expires={ends}&Signature={_signature(ends)}&Key-Pair-Id=K1"
        cells = {
            "image": {"src": link, "height": 48, "width": 48}, "caption": one.caption, "license": one.licence, "creator": one.author,
            "page": one.page,
        }  # fmt: skip
        return {"row_idx": at, "row": cells, "truncated_cells": []}


_TEXTS = ("caption", "license", "creator", "page")


def _signature(ends: str) -> str:
    return hashlib.sha256(f"signed until {ends}".encode()).hexdigest()[:16]
