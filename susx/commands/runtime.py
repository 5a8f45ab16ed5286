"""The classifier that ``predict`` and ``serve`` were pointed at: a classifier's folder with torch, or a bundle with onnxruntime."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from susx.commands.extras import require_build
from susx.errors import ConfigError

if TYPE_CHECKING:
    from susx.classifier.predictions import Answering

__all__ = ["BundleFolder", "Runtime", "RuntimeChoice", "load_asked"]


class Runtime(str, Enum):
    """What computes."""

    torch = "torch"
    onnx = "onnx"


BundleFolder = Annotated[
    Path | None,
    typer.Option(
        "--bundle",
        help="Folder that susx export --format bundle wrote, or hf://owner/name[@revision]; instead of --classifier.",
    ),
]

RuntimeChoice = Annotated[
    Runtime | None,
    typer.Option(
        "--runtime",
        help="torch or onnx; by default torch for --classifier and onnx for --bundle. With onnx a classifier is exported once, and kept.",
    ),
]


def load_asked(
    command: str, classifier: Path | None, bundle: Path | None, runtime: Runtime | None, *, device: str, batch_size: int,
    workers: int = 2, reject: float | None = None, store: Path | None = None, few: bool = False,
) -> Answering:  # fmt: skip
    """Return the loaded classifier, its encoder ready; ``few`` opens a bundle for a picture or two.

    With ``store`` photographs that the store has features of are not encoded again, where torch computes.

    Raises:
        ConfigError: both or none was given, a bundle and torch, or what the light installation does not hold.
        SusxError: it cannot be read, or its encoder cannot be had.
    """
    if (classifier is None) == (bundle is None):
        raise ConfigError(
            f"susx {command} takes one of --classifier and --bundle; found {'none' if bundle is None else 'both'}."
        )
    if bundle is None:
        require_build(f"susx {command} --classifier", "A bundle (--bundle) needs none of them.")
    if bundle is not None and runtime is Runtime.torch:
        raise ConfigError(
            "A bundle holds no weights for torch. Leave --runtime out, or give the classifier that it was made of with --classifier."
        )
    if classifier is not None and runtime is Runtime.onnx:
        from susx.bundle.kept import kept_bundle

        bundle = kept_bundle(classifier)
    if bundle is not None:
        from susx.bundle import load_bundle

        return load_bundle(
            bundle, device=device, batch_size=batch_size, workers=workers, reject=reject, few=few
        )
    from susx.classifier import load_classifier

    assert classifier is not None
    loaded = load_classifier(
        classifier, device=device, batch_size=batch_size, workers=workers, reject=reject, store=store
    )
    loaded.load()  # a missing or different encoder is said here, in one paragraph
    return loaded
