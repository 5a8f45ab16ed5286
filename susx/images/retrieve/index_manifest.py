"""``susx_index.json``: which encoder an index was built with, beside clip-retrieval's own files."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from susx.encoder_id import EncoderId
from susx.errors import MismatchError, RetrievalError
from susx.store import write_atomically

__all__ = ["MANIFEST", "IndexManifest", "check_encoder"]

MANIFEST = "susx_index.json"


@dataclass(frozen=True)
class IndexManifest:
    """What susx knows of an index.

    Attributes:
        encoder: id of the encoder.
        digest: sha256 of its architecture and weights.
        dim: width of its features.
        rows: images in the index.
        rejected: images that could not be decoded or fetched, by reason.
        content: sha256 over the encoder and the source images' identities (the index's own digest).
        source: how the images came: images, urls or tars.
        inputs: sha256 over encoder, paths, sizes and times of the sources; tells whether a build is still current.
        tool: what computed the features: clip-retrieval or susx.
    """

    encoder: str
    digest: str
    dim: int
    rows: int
    rejected: dict[str, int]
    content: str
    source: str
    inputs: str = ""
    tool: str = ""

    @property
    def made_by(self) -> EncoderId:
        """The encoder that built it."""
        return EncoderId(self.encoder, self.digest)

    def write(self, folder: Path) -> None:
        """Write it, complete or not at all."""
        text = json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True) + "\n"
        write_atomically(folder / MANIFEST, text.encode("utf-8"))

    @classmethod
    def read(cls, folder: Path) -> IndexManifest | None:
        """Return the manifest, or None for an index that susx did not build.

        Raises:
            RetrievalError: the file is there but is not a manifest.
        """
        path = folder / MANIFEST
        if not path.is_file():
            return None
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise RetrievalError(
                f"{path} is not a manifest of an index ({error}); build the index again."
            ) from error


def check_encoder(where: str, index: EncoderId, encoder: EncoderId) -> None:
    """Refuse an index that another encoder built.

    Raises:
        MismatchError: names both encoders.
    """
    if index.digest != encoder.digest:
        raise MismatchError(
            f"The index {where} was built with the encoder '{index.model}' (sha256 {index.digest[:12]}), but the "
            f"profile searches with '{encoder.model}' (sha256 {encoder.digest[:12]}); their features do not live in one space. Use "
            f"the profile of the index's encoder, or build the index again with 'susx index build --encoder {encoder.model}'."
        )
