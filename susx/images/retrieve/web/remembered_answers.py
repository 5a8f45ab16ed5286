"""What sources answered, by the question: nothing is asked twice, and a search that is run again finds what it found.

Keys of sources are no part of a question: they travel in headers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from susx.store import digest_json
from susx.store.disk import whole_file

__all__ = ["Answers"]


class Answers:
    """A folder of answers; without one they are kept in memory."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._kept: dict[str, Any] = {}

    def get(self, address: str, parameters: Mapping[str, str]) -> Any:
        """Return the answer to a question; None where it was not asked, or its file is damaged."""
        key = _key(address, parameters)
        if self.folder is None:
            return self._kept.get(key)
        try:
            answer = json.loads((self.folder / key[:2] / f"{key}.json").read_text(encoding="utf-8"))
            return answer["answer"] if answer["address"] == address else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def put(self, address: str, parameters: Mapping[str, str], answer: Any) -> None:
        """Keep an answer."""
        key = _key(address, parameters)
        if self.folder is None:
            self._kept[key] = answer
            return
        text = json.dumps({"address": address, "parameters": dict(parameters), "answer": answer})
        with whole_file(self.folder / key[:2] / f"{key}.json") as partial:
            partial.write_text(text, encoding="utf-8")


def _key(address: str, parameters: Mapping[str, str]) -> str:
    return digest_json({"address": address, "parameters": dict(sorted(parameters.items()))})
