"""Train the tiny CLIP of the embedded world from a seed.

``python benchmarks/embedded_models/train_clip.py --out FOLDER``

Contrastive training (Radford et al., 2021) of the open_clip architecture in ``tiny_clip/susx-tiny-clip.json`` on
procedural "web" pictures with noisy captions (``training_set.py``). It writes the vocabulary, the configuration, the
weights (float16 safetensors) and ``training.json`` (seed, sizes, what was measured on ``val``, digest). One JSON line an
epoch goes to ``log.jsonl``; a run that was stopped goes on from ``state.pt`` with the same result, since every epoch
draws from its own derived seed. The default took 22 minutes on two busy cores (13 minutes of CPU time). Test pictures are never drawn here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import math
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from merges import write_merges
from open_clip.loss import ClipLoss
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from training_set import augment, captioned

from susx.demo.captions import caption
from susx.demo.embedded_encoder import CONFIG, NAME, WEIGHTS, add_config
from susx.demo.textures import CATEGORIES, pictures
from susx.seeds import derive_seed

__all__ = ["Recipe", "train"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, besides the code."""

    seed: int = 7
    images: int = 32_000
    epochs: int = 8
    batch: int = 128
    peak_rate: float = 1e-3
    weight_decay: float = 0.1
    warm_up: float = 0.05


def train(recipe: Recipe, out: Path, workers: int = 2) -> dict[str, object]:
    """Train and write the model folder ``out``; returns what ``training.json`` holds."""
    out.mkdir(parents=True, exist_ok=True)
    started, cpu_started = time.perf_counter(), time.process_time()
    if out.resolve() != CONFIG.parent.resolve():
        shutil.copyfile(CONFIG, out / CONFIG.name)
    rng = np.random.default_rng(derive_seed(recipe.seed, "vocabulary"))
    write_merges((caption(CATEGORIES[i % 47], rng) for i in range(20_000)), out / "merges.txt.gz")
    add_config(out / CONFIG.name)

    images = pictures("train", recipe.images, workers)
    tokens = open_clip.get_tokenizer(NAME)(captioned(images, recipe.seed))
    pixels = torch.from_numpy(images)
    log.info("%d pictures and captions in %.0f s", len(pixels), time.perf_counter() - started)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(recipe.seed, "weights"))
        model = open_clip.create_model(NAME)
    optimiser = _optimiser(model, recipe)
    first = _resume(out, model, optimiser, recipe)
    for epoch in range(first, recipe.epochs):
        _epoch(model, optimiser, pixels, tokens, recipe, epoch, out)
    accuracy = val_accuracy(model, workers)

    save_file(
        {key: value.half().contiguous() for key, value in model.state_dict().items()}, out / WEIGHTS.name
    )
    summary: dict[str, object] = {
        "recipe": asdict(recipe),
        "parameters": sum(p.numel() for p in model.parameters()),
        "val_zero_shot_percent": round(accuracy, 2),
        "weights_sha256": hashlib.sha256((out / WEIGHTS.name).read_bytes()).hexdigest(),
        "wall_seconds": round(time.perf_counter() - started),
        "cpu_seconds": round(time.process_time() - cpu_started),
        "torch": torch.__version__,
        "open_clip": open_clip.__version__,
    }
    (out / "training.json").write_text(json.dumps(summary, indent=2) + "\n")
    (out / "state.pt").unlink(missing_ok=True)
    return summary


def val_accuracy(model: Any, workers: int = 2, per_class: int = 10) -> float:
    """Zero-shot top-1 (percent) on ``val`` with the prompt "{} texture."."""
    images = torch.from_numpy(pictures("val", per_class * len(CATEGORIES), workers))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in _normalisation(model))
    with torch.no_grad():
        model.eval()
        words = model.encode_text(
            open_clip.get_tokenizer(NAME)([f"{c} texture." for c in CATEGORIES]), normalize=True
        )
        features = torch.cat(
            [
                model.encode_image((part.permute(0, 3, 1, 2) / 255 - mean) / std, normalize=True)
                for part in torch.split(images, 256)
            ]
        )
    labels = torch.arange(len(images)) % len(CATEGORIES)
    return 100 * float(((features @ words.T).argmax(1) == labels).double().mean())


def _epoch(
    model: Any,
    optimiser: torch.optim.Optimizer,
    pixels: Tensor,
    tokens: Tensor,
    recipe: Recipe,
    epoch: int,
    out: Path,
) -> None:
    generator = torch.Generator().manual_seed(derive_seed(recipe.seed, "epoch", epoch))
    mean, std = _normalisation(model)
    steps = len(pixels) // recipe.batch
    order = torch.randperm(len(pixels), generator=generator)[: steps * recipe.batch]
    started, cpu, total = time.perf_counter(), time.process_time(), 0.0
    loss_of = ClipLoss()
    model.train()
    for step, rows in enumerate(torch.split(order, recipe.batch)):
        rate = _rate(recipe, (epoch * steps + step) / (recipe.epochs * steps))
        for group in optimiser.param_groups:
            group["lr"] = rate
        views = augment(pixels[rows], generator, mean, std)
        # On a CPU the fused attention's backward pass takes half of the step; plain matrix products are twice as fast.
        with torch.autocast("cpu", dtype=torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            image = model.encode_image(views, normalize=True)
            text = model.encode_text(tokens[rows], normalize=True)
        loss = loss_of(image.float(), text.float(), model.logit_scale.exp())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        total += loss.item()
    wall = time.perf_counter() - started
    line = {
        "epoch": epoch + 1,
        "loss": round(total / steps, 4),
        "scale": round(model.logit_scale.exp().item(), 2),
        "val_zero_shot_percent": round(val_accuracy(model, 1, 4), 2),
        "images_per_second": round(steps * recipe.batch / wall),
        "wall_seconds": round(wall),
        "cpu_seconds": round(time.process_time() - cpu),
    }
    log.info("%s", json.dumps(line))
    with (out / "log.jsonl").open("a") as record:
        record.write(json.dumps(line) + "\n")
    state = {
        "epoch": epoch + 1,
        "recipe": asdict(recipe),
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
    }
    torch.save(state, out / "state.tmp")
    (out / "state.tmp").replace(out / "state.pt")


def _resume(out: Path, model: Any, optimiser: torch.optim.Optimizer, recipe: Recipe) -> int:
    """Load the last finished epoch of the same recipe, if there is one; returns how many are done."""
    path = out / "state.pt"
    if path.is_file():
        state = torch.load(path, weights_only=True)
        if state["recipe"] == asdict(recipe):
            model.load_state_dict(state["model"])
            optimiser.load_state_dict(state["optimiser"])
            log.info("going on after epoch %d", state["epoch"])
            return int(state["epoch"])
    (out / "log.jsonl").unlink(missing_ok=True)
    return 0


def _optimiser(model: Any, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW; gains, biases and the logit scale are not decayed, as in open_clip's own training."""
    plain = [p for name, p in model.named_parameters() if p.ndim < 2 or "logit_scale" in name]
    decayed = [p for name, p in model.named_parameters() if p.ndim >= 2]
    groups = [
        {"params": plain, "weight_decay": 0.0},
        {"params": decayed, "weight_decay": recipe.weight_decay},
    ]
    return torch.optim.AdamW(groups, lr=recipe.peak_rate, betas=(0.9, 0.98), eps=1e-6)


def _rate(recipe: Recipe, progress: float) -> float:
    """Linear warm-up, then a half cosine to zero."""
    if progress < recipe.warm_up:
        return recipe.peak_rate * (progress + 1e-3) / recipe.warm_up
    return (
        recipe.peak_rate * 0.5 * (1 + math.cos(math.pi * (progress - recipe.warm_up) / (1 - recipe.warm_up)))
    )


def _normalisation(model: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    visual = model.visual
    return tuple(visual.image_mean), tuple(visual.image_std)


def _main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=CONFIG.parent, help="model folder to write")
    parser.add_argument("--threads", type=int, default=2)
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    options = vars(parser.parse_args())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.pop("threads"))
    out = options.pop("out")
    log.info("%s", json.dumps(train(Recipe(**options), out)))


if __name__ == "__main__":
    _main()
