"""Train the embedded diffusion model from a seed, on the CPU.

``python benchmarks/embedded_models/train_diffusion.py --work DIR``

Four phases, each resumed from ``--work`` when it was interrupted:

1. pictures of the textures' "web" domain, split ``train``, and an autoencoder for them (L1 + gradients + small KL);
2. their latents, each picture also mirrored;
3. the text encoder, on telling from a sentence which category it names; frozen afterwards, as Stable Diffusion's is
   (a denoiser that has to teach its text encoder at the same time needs several times as many steps);
4. the denoiser: v-prediction, clipped weights after min-SNR (Hang et al. 2023), prompts dropped one time in ten for classifier-free
   guidance (Ho & Salimans 2022), an exponential average of the weights, a linear decay at the end.

``--out`` receives a complete ``StableDiffusionPipeline`` folder in float16. Matrix products run in bfloat16, which
is fast only on processors that have it; expect about an hour and a half of one AVX512-BF16 core for the defaults.
"""

# mypy: disable-error-code="no-untyped-call, no-any-return"
# diffusers, transformers and parts of torch are not annotated.

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor
from fitting import restore, save, set_rate, take_step
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from train_vae import Pictures, encode, train_vae
from transformers import CLIPTokenizer

from susx.demo import diffusion_parts as parts
from susx.demo.diffusion_model import FOLDER
from susx.demo.diffusion_text import build_tokenizer, training_prompt
from susx.demo.textures import CATEGORIES, render
from susx.seeds import derive_seed

log = logging.getLogger(__name__)

#: Weights are 1 where noise prevails, so that the layout is learnt, and fall as the picture gets clear. (Min-SNR
#: weights as published, min(SNR, 5) / (SNR + 1), gave good detail without any layout after 2,500 steps.)
MAX_WEIGHT = 5.0
DROP_PROMPT = 0.1
EMA = 0.995


def pictures(work: Path, per_category: int) -> Pictures:
    """All training pictures, ``(classes, per_category, 64, 64, 3)`` uint8, drawn once."""
    file = work / f"web-{per_category}.npy"
    if not file.exists():
        rows = [[render(name, "web", "train", n) for n in range(per_category)] for name in CATEGORIES]
        np.save(file, np.array(rows, np.uint8))
    return np.load(file, mmap_mode="r")


def train_text(work: Path, tokenizer: CLIPTokenizer, steps: int, seed: int) -> Any:
    """Fit the text encoder: from the end of the sentence on, its outputs tell the category linearly."""
    model = nn.ModuleDict({
        "encoder": parts.text_encoder(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id),
        "head": nn.Linear(parts.TEXT_WIDTH, len(CATEGORIES)),
    })  # fmt: skip
    done = restore(work / "text.pt", model)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    random = np.random.default_rng(derive_seed(seed, "text", done))
    for step in range(done, steps):
        set_rate(optimiser, 2e-3 * min(1.0, (step + 1) / 30, 3 * (1 - step / steps)))
        labels = random.integers(len(CATEGORIES), size=64)
        tokens = _tokens(tokenizer, [training_prompt(CATEGORIES[n], random) for n in labels])
        after = tokens == tokenizer.eos_token_id
        with torch.autocast("cpu", torch.bfloat16):
            hidden = model["encoder"](tokens)[0]
        guesses = model["head"](hidden.float()[after])
        wanted = torch.from_numpy(labels)[:, None].expand_as(tokens)[after]
        loss = nn.functional.cross_entropy(guesses, wanted)
        take_step(optimiser, model, loss)
        if (step + 1) % 50 == 0:
            right = (guesses.argmax(1) == wanted).float().mean().item()
            log.info("text %d/%d: loss %.3f, %.1f %% right", step + 1, steps, loss.item(), 100 * right)
    save(work / "text.pt", {"model": model.state_dict(), "step": steps})
    return model["encoder"].eval()


@torch.no_grad()
def sentences(encoder: Any, tokenizer: CLIPTokenizer, per_category: int, seed: int) -> tuple[Tensor, Tensor]:
    """Encoded prompts ``(classes, per_category, tokens, width)`` and the encoded empty prompt, float16."""
    random = np.random.default_rng(derive_seed(seed, "sentences"))
    rows = []
    for category in CATEGORIES:
        texts = [training_prompt(category, random) for _ in range(per_category)]
        rows.append(encoder(_tokens(tokenizer, texts))[0].half())
    return torch.stack(rows), encoder(_tokens(tokenizer, [""]))[0][0].half()


def train_unet(
    work: Path,
    latents: Tensor,
    prompts: tuple[Tensor, Tensor],
    steps: int,
    batch: int,
    seed: int,
    rate: float,
) -> Any:
    """Fit the denoiser; returns the averaged weights."""
    model = parts.unet().to(memory_format=torch.channels_last)
    # On a CPU the fused attention's backward pass is several times slower than two plain matrix products.
    model.set_attn_processor(AttnProcessor())
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(EMA))
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=1e-3)
    done = restore(work / "unet.pt", model, average=average, optimiser=optimiser)
    alphas = parts.scheduler().alphas_cumprod
    random = np.random.default_rng(derive_seed(seed, "unet", done))
    noise_source = torch.Generator().manual_seed(derive_seed(seed, "noise", done))
    scale, started, losses = 1.0 / latents.float().std().item(), time.monotonic(), []
    named, empty = prompts
    for step in range(done, steps):
        set_rate(optimiser, rate * min(1.0, (step + 1) / 200, (steps - step) / (0.25 * steps)))
        labels = random.integers(len(CATEGORIES), size=batch)
        clean = latents[labels, random.integers(latents.shape[1], size=batch)].float() * scale
        text = named[labels, random.integers(named.shape[1], size=batch)].float()
        text[torch.from_numpy(random.random(batch) < DROP_PROMPT)] = empty.float()
        times = torch.from_numpy(random.integers(len(alphas), size=batch))
        signal = alphas[times].sqrt()[:, None, None, None]
        spread = (1 - alphas[times]).sqrt()[:, None, None, None]
        noise = torch.randn(clean.shape, generator=noise_source)
        noisy = (signal * clean + spread * noise).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            guess = model(noisy, times, text).sample.float()
        ratio = alphas[times] / (1 - alphas[times])
        weight = (ratio + 1).clamp(max=MAX_WEIGHT) / (ratio + 1)
        loss = (weight * (guess - (signal * noise - spread * clean)).square().mean((1, 2, 3))).mean()
        take_step(optimiser, model, loss)
        average.update_parameters(model)
        losses.append(loss.item())
        if (step + 1) % 25 == 0:
            pace = (step + 1 - done) * batch / (time.monotonic() - started)
            log.info("unet %d/%d: loss %.4f, %.0f images/s", step + 1, steps, np.mean(losses[-25:]), pace)
        if (step + 1) % 100 == 0 or step + 1 == steps:
            save(work / "unet.pt", {"model": model.state_dict(), "average": average.state_dict(),
                                     "optimiser": optimiser.state_dict(), "step": step + 1})  # fmt: skip
    return average.module.eval()


def export(out: Path, vae: Any, text: Any, unet: Any, words: CLIPTokenizer, scale: float) -> None:
    """Write the pipeline folder (float16 safetensors)."""
    from diffusers import StableDiffusionPipeline

    vae.register_to_config(scaling_factor=scale)
    pipeline: Any = StableDiffusionPipeline(
        vae=vae.to(memory_format=torch.contiguous_format), text_encoder=text, tokenizer=words,
        unet=unet.to(memory_format=torch.contiguous_format), scheduler=parts.scheduler(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.to(torch.float16).save_pretrained(out, safe_serialization=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--work", type=Path, required=True, help="pictures, latents and checkpoints, for resuming"
    )
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--pictures", type=int, default=400, help="per category")
    parser.add_argument("--vae-steps", type=int, default=2000)
    parser.add_argument("--text-steps", type=int, default=150)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)  # initial weights only; everything drawn later has its own generator
    args.work.mkdir(parents=True, exist_ok=True)
    images = pictures(args.work, args.pictures)
    vae = train_vae(args.work, images, args.vae_steps, args.seed)
    latents = encode(args.work, vae, images)
    tokenizer = build_tokenizer(args.work / "tokenizer")
    text = train_text(args.work, tokenizer, args.text_steps, args.seed)
    prompts = sentences(text, tokenizer, 64, args.seed)
    unet = train_unet(args.work, latents, prompts, args.steps, args.batch, args.seed, args.rate)
    export(args.out, vae, text, unet, tokenizer, 1.0 / latents.float().std().item())
    log.info("wrote %s", args.out)


def _tokens(tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    return tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids


if __name__ == "__main__":
    main()
