"""The training of adapters (IMO) on a generic labelled set, and the record of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from susx.errors import InputError
from susx.features.adapted_encoder import inserted, visual_blocks, width_of
from susx.features.encoder import Encoder
from susx.methods.adapters import HIDDEN, Adapters, first_adapters
from susx.methods.base import Run
from susx.methods.training import Recipe, train
from susx.seeds import derive_seed
from susx.store.disk import write_atomically
from susx.store.fingerprint import digest_bytes, digest_json

__all__ = ["DROPPED", "RECIPE", "imo_train"]

RECIPE = Recipe(epochs=1, batch=128, rate=8e-3, at_once=32, amp=True)
"""As published: AdamW, one epoch. 32 images of a batch are in memory together."""

DROPPED = 0.1
"""Share of the bottleneck's numbers that are dropped while training."""


def imo_train(
    encoder: Encoder,
    image: Callable[[int], Image.Image],
    labels: Sequence[int],
    path: Path,
    *,
    recipe: Recipe = RECIPE,
    hidden: int = HIDDEN,
    run: Run = Run(),
    source: str = "",
) -> Adapters:
    """Train adapters and a linear head by cross-entropy, write the adapters and a record beside them, and return them.

    The encoder itself is frozen. The head reads its image features as they come and is thrown away. The last step is taken.

    Args:
        encoder: a vision transformer.
        image: number of an image -> the image, decoded.
        labels: class of every image, from 0.
        path: of the adapters, safetensors; the record is the same name with ``.json``.
        recipe: how.
        hidden: width of the bottleneck.
        run: seed, folder of checkpoints, progress; the device is the encoder's.
        source: what was trained on, for the record.

    Raises:
        InputError: an encoder without the blocks, or images of fewer than two classes.
        TrainingError: the loss is not finite.
    """
    blocks, classes = visual_blocks(encoder), max(labels, default=-1) + 1
    if len(set(labels)) < 2:
        raise InputError(
            f"Adapters are trained to tell classes apart, and there are {len(labels)} images of {len(set(labels))}. Give labelled "
            "images of two classes and more."
        )
    # In an order of their own: that of the files has no part in what is learned.
    digests = [digest_bytes(image(at).tobytes()) for at in range(len(labels))]
    order = sorted(range(len(labels)), key=lambda at: (digests[at], labels[at]))
    truth = torch.tensor([labels[at] for at in order])
    encoder.model.requires_grad_(False)
    first = first_adapters(
        len(blocks),
        width_of(encoder),
        hidden,
        seed=run.seed,
        encoder=encoder.identity,
    )

    def loss(now: Mapping[str, Tensor], rows: Tensor, generator: torch.Generator) -> Tensor:
        def drop(units: Tensor) -> Tensor:
            kept = torch.rand(units.shape, generator=generator) >= DROPPED
            return units * kept.to(units.device, units.dtype) / (1 - DROPPED)

        pixels = encoder.pixels(image(order[at]) for at in rows.tolist())
        with inserted(encoder, first.with_tensors(**{n: now[n] for n in first.tensors}), drop):
            features = encoder.model.encode_image(pixels).float()
        logits = features @ now["head"].T + now["head_bias"]
        return torch.nn.functional.cross_entropy(logits, truth[rows.cpu()].to(logits.device))

    generator = torch.Generator().manual_seed(derive_seed(run.seed, "imo", "head"))
    head = (torch.rand(classes, encoder.dim + 1, generator=generator) * 2 - 1) / math.sqrt(encoder.dim)
    start = {**first.tensors, "head": head[:, :-1].contiguous(), "head_bias": head[:, -1].contiguous()}
    seen = digest_json([[digests[at], labels[at]] for at in order])
    how = Run(run.seed, str(encoder.device), run.folder, run.progress)
    trained = train("imo", start, len(labels), loss, recipe, how, evidence=f"{encoder.digest} {seen}")
    adapters = Adapters.of(trained.parameters, first.strength, first.encoder)
    data = adapters.to_bytes()
    record = {
        "adapters": "IMO", "weights": digest_bytes(data), "encoder": encoder.id, "encoder_digest": encoder.digest,
        "blocks": len(blocks), "width": adapters.width, "hidden": hidden, "strength": adapters.strength,
        "parameters": sum(value.numel() for value in adapters.tensors.values()), "source": source, "images": len(labels),
        "classes": classes, "data": seen, "recipe": asdict(recipe), "dropped": DROPPED, "seed": run.seed,
        "losses": trained.losses, "seconds": round(trained.seconds, 3),
    }  # fmt: skip
    write_atomically(path, data)
    write_atomically(path.with_suffix(".json"), json.dumps(record, indent=1).encode())
    return adapters
