"""The manifest of an artefact: what it was made of and what it holds; written last, it makes the artefact one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from susx.store.fingerprint import digest_json, digest_tree
from susx.types import Digest, Json

__all__ = ["FORMAT", "MANIFEST", "Manifest", "parse_manifest"]

MANIFEST = "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """What is known of a stored artefact."""

    ingredients: Json
    files: Mapping[str, Digest]
    digest: Digest
    counts: Mapping[str, Json]
    execution: Mapping[str, Json]
    seconds: float
    created: float


def parse_manifest(data: bytes, key: str) -> Manifest:
    """Return the manifest of the artefact of a key.

    Raises:
        ValueError: it cannot be read, is of another format or of another key, or was altered.
    """
    try:
        read = json.loads(data)
        manifest = Manifest(
            read["ingredients"], read["files"], read["digest"], read["counts"], read["execution"], read["seconds"],
            read["created"],
        )  # fmt: skip
        sound = read["format"] == FORMAT and digest_json(read["ingredients"]) == key
    except (KeyError, TypeError) as error:
        raise ValueError(str(error)) from error
    if not sound or digest_tree(manifest.files) != manifest.digest:
        raise ValueError("it does not fit its key")
    return manifest
