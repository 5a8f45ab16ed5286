"""Labelling a whole folder against its bare matrix products, the recipe written plainly, and a transductive loop.

    python benchmarks/run.py label [--full]

``--full`` labels 50,000 images of 1,000 classes at width 512. One thread unless OMP_NUM_THREADS says otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

import numpy as np
import torch
from timing import in_new_process, peak_mib
from torch import Tensor
from torch.nn.functional import normalize

from susx.methods.functional import folder_prototypes
from susx.methods.functional.folder_prototypes import InductiveFit, label_folder
from susx.methods.functional.whitening import covariance, whitening

DIM, ROUNDS = 512, folder_prototypes.ROUNDS


def folder(images: int, classes: int) -> tuple[InductiveFit, Tensor]:
    """Return an inductive fit and images spread around its prompts."""
    generator = torch.Generator().manual_seed(0)
    text = normalize(torch.randn(classes, DIM, generator=generator) / 20 + 0.05)
    labels = torch.arange(images) % classes
    rows = normalize(text[labels] + torch.randn(images, DIM, generator=generator) / 25)
    sample = rows[: min(images, 4096)]
    white = whitening(sample.double().mean(dim=0), covariance(sample), 0.1)
    prototypes = 8 * normalize(normalize((text - white.mean) @ white.matrix).float())
    moments = sample.double().mean(dim=0), covariance(sample)
    return InductiveFit(
        text, 100.0, white.mean, white.matrix, prototypes, torch.zeros(classes), *moments
    ), rows


def bare_products(fit: InductiveFit, rows: Tensor) -> None:
    """Multiply what no writing of the recipe can do without: prompts, whitening, and two products a round."""
    soft = rows @ fit.text.T
    whitened = rows @ fit.matrix.float()
    sums = fit.prototypes
    torch.matmul(whitened, sums.T, out=soft)
    for _ in range(ROUNDS):
        sums = soft.T @ whitened
        torch.matmul(whitened, sums.T, out=soft)


def plainly(fit: InductiveFit, rows: np.ndarray) -> np.ndarray:
    """Write the recipe's rounds as one writes them in numpy, whole matrices at a time; without corrections and groups."""
    prompts = fit.logit_scale * rows @ fit.text.numpy().T - fit.offset.numpy()
    matrix, mean = fit.matrix.float().numpy(), fit.mean.float().numpy()
    prototypes = fit.prototypes.numpy()
    weight = np.linalg.norm(prototypes, axis=1)
    direction = prototypes / weight[:, None]

    def whitened(centre: np.ndarray) -> np.ndarray:
        turned = (rows - centre) @ matrix
        return turned / np.linalg.norm(turned, axis=1, keepdims=True)

    logits = prompts + whitened(mean) @ prototypes.T
    for _ in range(ROUNDS):
        soft = np.exp(logits - logits.max(axis=1, keepdims=True))
        soft /= soft.sum(axis=1, keepdims=True)
        counts = soft.sum(axis=0)
        trust = counts / (counts + 4)
        means = soft.T @ rows / counts[:, None].clip(1e-9)
        x = whitened((8 * mean + trust @ means) / (8 + trust.sum()))
        sums = soft.T @ x
        squares = (soft**2).sum(axis=0)
        pairs = (counts**2 - squares).sum()
        alike = max(0.0, ((sums**2).sum(axis=1) - squares).sum() / pairs)
        sums = sums + 4 * np.sqrt(alike) * direction
        inner = x @ sums.T
        length = (sums**2).sum(axis=1) - 2 * soft * inner + soft**2
        votes = (inner - soft) / np.sqrt(length.clip(1e-12))
        mean_count = counts.mean()
        shares = -np.log((counts - soft + 2).clip(1e-9) / (mean_count + 2))
        logits = prompts + weight * votes + shares
    return logits


def measured(part: str, images: int, classes: int) -> dict[str, Any]:
    """Return processor seconds and memory of one part, in this process."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    fit, rows = folder(images, classes)
    before = peak_mib()
    start, start_processor = time.perf_counter(), time.process_time()
    if part == "ours":
        label_folder(fit, rows)
    elif part == "products":
        bare_products(fit, rows)
    else:
        plainly(fit, rows.numpy())
    return {
        "wall": time.perf_counter() - start,
        "processor": time.process_time() - start_processor,
        "MiB": peak_mib() - before,
    }


def run(quick: bool = True) -> dict[str, Any]:
    """Return processor times, their ratios and memory beside the features."""
    images, classes = (8_000, 400) if quick else (50_000, 1_000)
    parts = {
        part: in_new_process("bench_label.py", "--part", part, str(images), str(classes))
        for part in ("products", "ours", "plainly")
    }
    ours = parts["ours"]
    title = f"{images:,} images x {classes:,} classes x {DIM}, {ROUNDS} rounds"
    row = {
        "products, s": round(parts["products"]["processor"], 2),
        "folder prototypes, s": round(ours["processor"], 2),
        "plain numpy, s": round(parts["plainly"]["processor"], 2),
        "x products": round(ours["processor"] / parts["products"]["processor"], 2),
        "x plain": round(ours["processor"] / parts["plainly"]["processor"], 2),
        "MiB": round(ours["MiB"]),
        "plain MiB": round(parts["plainly"]["MiB"]),
    }
    return {
        "threads": int(os.environ.get("OMP_NUM_THREADS", "1")),
        "tables": [{"title": title, "rows": [row]}],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", nargs=3, metavar=("PART", "IMAGES", "CLASSES"), required=True)
    part, images, classes = parser.parse_args().part
    print(json.dumps(measured(part, int(images), int(classes))))
