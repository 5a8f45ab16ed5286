"""The autoencoder of the embedded diffusion model: its training, and the latents of the training pictures."""

# mypy: disable-error-code="no-untyped-call, no-any-return"
# diffusers, transformers and parts of torch are not annotated.

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fitting import restore, save, set_rate, take_step
from numpy.typing import NDArray
from torch import Tensor

from susx.demo import diffusion_parts as parts
from susx.seeds import derive_seed

__all__ = ["Pictures", "encode", "train_vae"]

Pictures = NDArray[np.uint8]  #: (classes, images, height, width, channels)

log = logging.getLogger(__name__)


def train_vae(work: Path, images: Pictures, steps: int, seed: int) -> Any:
    """Fit the autoencoder: on 32-pixel crops (four times as many steps an hour), at last on whole pictures."""
    vae = parts.vae().to(memory_format=torch.channels_last)
    done = restore(work / "vae.pt", vae)
    pixels = torch.from_numpy(np.array(images)).flatten(0, 1)
    optimiser = torch.optim.AdamW(vae.parameters(), lr=3e-3, betas=(0.9, 0.99), weight_decay=1e-4)
    random = torch.Generator().manual_seed(derive_seed(seed, "vae", done))
    for step in range(done, steps):
        set_rate(optimiser, 3e-3 * min(1, (step + 1) / 50) * (0.51 + 0.49 * math.cos(math.pi * step / steps)))
        crop, batch = (32, 32) if step < 0.8 * steps else (64, 16)
        picked = pixels[torch.randint(len(pixels), (batch,), generator=random)]
        y, x = torch.randint(0, parts.IMAGE_SIZE + 1 - crop, (2,), generator=random).tolist()
        target = _as_input(picked[:, y : y + crop, x : x + crop])
        with torch.autocast("cpu", torch.bfloat16):
            code = vae.encode(target).latent_dist
        mean, logvar = code.mean.float(), code.logvar.float()
        noisy = mean + torch.exp(0.5 * logvar) * torch.randn(mean.shape, generator=random)
        with torch.autocast("cpu", torch.bfloat16):
            error = vae.decode(noisy).sample.float() - target
        slopes = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
        divergence = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        loss = error.abs().mean() + 0.5 * error.square().mean() + 0.5 * slopes + 1e-3 * divergence
        take_step(optimiser, vae, loss)
        if (step + 1) % 100 == 0:
            log.info(
                "vae %d/%d: PSNR %.2f dB", step + 1, steps, 10 * math.log10(4 / error.square().mean().item())
            )
        if (step + 1) % 300 == 0 or step + 1 == steps:
            save(work / "vae.pt", {"model": vae.state_dict(), "step": step + 1})
    return vae.eval()


@torch.no_grad()
def encode(work: Path, vae: Any, images: Pictures) -> Tensor:
    """Unscaled latents ``(classes, 2 x per_category, 8, 16, 16)`` float16: every picture, and mirrored."""
    file = work / "latents.npy"
    if not file.exists():
        rows = []
        for pixels in images:
            batch = _as_input(torch.from_numpy(np.array(pixels)))
            both = [
                vae.encode(part).latent_dist.mean for part in (*batch.split(50), *batch.flip(3).split(50))
            ]
            rows.append(torch.cat(both).half().numpy())
        np.save(file, np.stack(rows))
    return torch.from_numpy(np.load(file))


def _as_input(pixels: Tensor) -> Tensor:
    scaled = pixels.permute(0, 3, 1, 2).float().div(127.5).sub(1)
    return scaled.contiguous(memory_format=torch.channels_last)
