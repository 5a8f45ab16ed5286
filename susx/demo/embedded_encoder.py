"""The tiny CLIP as open_clip sees it: an architecture name and a checkpoint path, like any other model.

The configuration in the package names its vocabulary file relative to itself. open_clip reads ``bpe_path`` as given, so
``register`` hands it a copy of the configuration with the absolute path, through ``open_clip.add_model_config``; after
that ``create_model_and_transforms(name, pretrained=path)``, ``get_tokenizer(name)`` and clip-retrieval's
``clip_model="open_clip:<name>/<path>"`` work in this process.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from susx.errors import ModelError
from susx.features.open_clip_import import import_open_clip

__all__ = ["CONFIG", "FOLDER", "NAME", "WEIGHTS", "register"]

NAME = "susx-tiny-clip"
FOLDER = Path(__file__).parent / "tiny_clip"
CONFIG = FOLDER / f"{NAME}.json"
WEIGHTS = FOLDER / "weights.safetensors"


def register(folder: Path = FOLDER) -> tuple[str, str]:
    """Make the tiny CLIP known to open_clip in this process; calling it again changes nothing.

    Args:
        folder: where configuration, vocabulary and weights lie (the package's own unless training a new one).

    Returns:
        The architecture name and the checkpoint path.

    Raises:
        ModelError: a file of the model is missing.
    """
    config_path, weights = folder / CONFIG.name, folder / WEIGHTS.name
    missing = [str(path) for path in (config_path, weights) if not path.is_file()]
    if missing:
        raise ModelError(
            f"the embedded CLIP needs {' and '.join(missing)}, which is not there. Reinstall susx, or train it "
            "again in its repository with `python benchmarks/embedded_models/train_clip.py`."
        )
    add_config(config_path)
    return NAME, str(weights)


def add_config(config_path: Path) -> None:
    """Register a configuration file with its ``bpe_path`` made absolute."""
    open_clip = import_open_clip()
    config = json.loads(config_path.read_text())
    options = config["text_cfg"]["tokenizer_kwargs"]
    options["bpe_path"] = str((config_path.parent / options["bpe_path"]).resolve())
    if open_clip.get_model_config(config_path.stem) == config:
        return
    # open_clip reads the file at once and later skips paths that are gone, so the copy need not stay.
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / config_path.name
        copy.write_text(json.dumps(config))
        open_clip.add_model_config(copy)
