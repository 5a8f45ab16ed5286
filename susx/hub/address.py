"""``hf://owner/name[@revision]`` for a classifier, ``hf://datasets/owner/name[@revision]`` for a support set.

The form is that of ``huggingface_hub.HfFileSystem``, without a path inside the repository.
"""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass
from typing import Literal

from susx.errors import ConfigError

__all__ = ["HubAddress", "is_hub_address"]

_HOLDS = {"model": "classifier", "dataset": "support set"}
_START = re.compile(r"^hf:/{1,2}(?!/)")  # a Path has taken one of the slashes
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_WHOLE = re.compile(
    rf"(?P<kind>datasets/|models/)?(?P<owner>{_NAME})/(?P<name>{_NAME})(?:@(?P<revision>[A-Za-z0-9][\w./-]{{0,199}}))?"
)


def is_hub_address(text: str | os.PathLike[str]) -> bool:
    """Whether something names a repository of the Hub rather than a folder.

    >>> is_hub_address("hf://owner/name"), is_hub_address("classifier")
    (True, False)
    """
    return bool(_START.match(os.fspath(text)))


@dataclass(frozen=True)
class HubAddress:
    """A repository of the Hub.

    Attributes:
        kind: ``model`` (a classifier) or ``dataset`` (a support set).
        repository: owner/name.
        revision: a branch, tag or commit; None is the newest.
    """

    kind: Literal["model", "dataset"]
    repository: str
    revision: str | None = None

    @classmethod
    def parse(
        cls, text: str | os.PathLike[str], expected: Literal["model", "dataset"] | None = None
    ) -> HubAddress:
        """Read an address, of a kind where one is expected.

        >>> HubAddress.parse("hf://datasets/owner/name@main").kind
        'dataset'

        Raises:
            ConfigError: it is none, or of the other kind.
        """
        written = os.fspath(text)
        match = _WHOLE.fullmatch(_START.sub("", written)) if is_hub_address(written) else None
        if match is None or ".." in written or "--" in written:
            raise ConfigError(
                f"{written!r} is no address on the Hub; expected hf://owner/name or hf://datasets/owner/name, and perhaps "
                "@revision (letters, digits, '-', '_' and '.')."
            )
        kind: Literal["model", "dataset"] = "dataset" if match["kind"] == "datasets/" else "model"
        if expected and kind != expected:
            raise ConfigError(
                f"{written} is for a {_HOLDS[kind]}; a {_HOLDS[expected]} is {'hf://datasets/' if kind == 'model' else 'hf://'}owner/name."
            )
        return cls(kind, f"{match['owner']}/{match['name']}", match["revision"])

    def pinned(self, commit: str) -> HubAddress:
        """Return the address of one commit, whose content never changes."""
        return dataclasses.replace(self, revision=commit)

    def __str__(self) -> str:
        where = f"hf://{'datasets/' if self.kind == 'dataset' else ''}{self.repository}"
        return f"{where}@{self.revision}" if self.revision else where
