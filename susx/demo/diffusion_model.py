"""Where the embedded diffusion model lies; it loads like any other folder written by ``save_pretrained``."""

from __future__ import annotations

from pathlib import Path

from susx.errors import ModelError

__all__ = ["FOLDER", "tiny_diffusion"]

FOLDER = Path(__file__).parent / "tiny_diffusion"


def tiny_diffusion(folder: Path = FOLDER) -> Path:
    """Return the folder of the embedded pipeline.

    Raises:
        ModelError: it is not there.
    """
    if not (folder / "model_index.json").is_file():
        raise ModelError(
            f"The embedded diffusion model is not at {folder}. Reinstall susx, or train it again in its repository with "
            "`python benchmarks/embedded_models/train_diffusion.py --work DIR`."
        )
    return folder
