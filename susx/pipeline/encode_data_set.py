"""Stage ``encode-data-set``: a folder of images into a folder of features, for experiments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from susx.encoder_id import EncoderId
from susx.pipeline.outside import Outside
from susx.pipeline.parameters import Execution, Params
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job, digest_json
from susx.types import Json
from susx.user_folder import files_below

__all__ = ["STAGE", "ImageFolder", "ImageFolderSource", "content_of"]


class ImageFolder(Params):
    """The images, the encoder and the sentences of the classes."""

    images: str
    """Digest over names, sizes and times of the files: reading every image would take too long."""
    encoder: EncoderId
    prompts: Json
    description: Json


class ImageFolderSource(Execution):
    """Where the images are."""

    folder: str
    profile: str
    description: str | None


def content_of(folder: Path) -> str:
    """Return the digest over names, sizes and times of the files of a folder, behind links to folders too.

    Raises:
        InputError: the folder cannot be listed.
    """
    rows = [
        [path.relative_to(folder).as_posix(), path.stat().st_size, path.stat().st_mtime_ns]
        for path in files_below(folder).files
    ]
    return digest_json(sorted(rows))


def run(job: Job, store: ArtefactStore, work: Path) -> Mapping[str, Json]:
    """Encode the folder as ``susx encode`` does."""
    from susx.config import load_dataset, load_profile
    from susx.experiment.encode import encode_folder
    from susx.features.feature_folder import write_features

    source = ImageFolderSource.of(job)
    described = load_dataset(source.description) if source.description else None
    features, unreadable = encode_folder(Path(source.folder), load_profile(source.profile), described)
    write_features(features, work)
    (work / "unreadable.txt").write_text(json.dumps(dict(unreadable), indent=1), encoding="utf-8")
    return {"unreadable": len(unreadable)}


STAGE = Stage(
    "encode-data-set", 1, run, "Encode data sets", device=True,
    outside=(
        Outside("the images of an experiment", lambda job: ImageFolder.of(job).images, lambda job: content_of(Path(ImageFolderSource.of(job).folder))),
    ),
)  # fmt: skip
