"""Train what the trained relatives need of the embedded world: adapters (IMO) and Meta-Adapter's attention.

``python benchmarks/embedded_models/train_relatives.py --out FOLDER``

Both see the categories alone that the data set ``textures-new`` leaves out, pictures of the ``train`` split (which no
build shows). It writes ``adapters.safetensors`` and ``attention.safetensors`` with their records; a few minutes on one core.
"""

from __future__ import annotations

import argparse
import functools
import logging
from pathlib import Path

import torch
from PIL import Image

from susx.config import load_dataset, load_profile
from susx.demo.textures import CATEGORIES, render
from susx.features.encoder import load_encoder
from susx.features.imo_training import imo_train
from susx.methods import Evidence, Run
from susx.methods.meta_training import meta_train

FIRST = 100_000
"""Number of the first picture of a category: those below taught the encoder itself."""
SHOTS = 16


@functools.cache
def picture(name: str, number: int) -> Image.Image:
    return Image.fromarray(render(name, "web", "train", FIRST + number))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--each", type=int, default=200, help="pictures a category for the adapters")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    encoder = load_encoder(load_profile("demo").encoder)
    base = [name for name in CATEGORIES if name not in load_dataset("textures-new").classes]
    source = f"{len(base)} categories of the embedded textures"
    labels = [at % len(base) for at in range(len(base) * arguments.each)]
    imo_train(
        encoder, lambda at: picture(base[at % len(base)], at // len(base)), labels, out / "adapters.safetensors",
        run=Run(folder=out / "checkpoints"), source=f"{source}, {arguments.each} pictures each",
    )  # fmt: skip
    shots = [at % len(base) for at in range(len(base) * SHOTS)]
    pictures = (picture(base[label], at // len(base)) for at, label in enumerate(shots))
    evidence = Evidence(
        encoder.encode_texts([f"{name} texture." for name in base]), encoder.logit_scale, encoder.encode_images(pictures),
        torch.tensor(shots), class_names=tuple(base), encoder=encoder.identity,
    )  # fmt: skip
    meta_train(evidence, out / "attention.safetensors", source=f"{source}, {SHOTS} pictures each")


if __name__ == "__main__":
    main()
