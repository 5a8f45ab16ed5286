"""Methods without training: GDA, ProKeR and APE against their bare linear algebra, TransCLIP and StatA against their released loops.

``python benchmarks/run.py [--full] training_free``. The bare products are all matrix products that the formula has, a Cholesky factor with its solves
among ProKeR's; exponentials and votes are not in them. Their seconds are of the processor, all threads together. Shares are compared with the
loops in float32, as released, and in float64, which says which of two roundings is right.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from inputs import features
from mixture_loops import stata_loop, transclip_loop
from timing import best_of
from torch import Tensor

from susx.methods import Ape, Evidence, Gda, ImageFeatures, Method, Proker, StatA, TransClip

DIM = 512
FEW_SHOT = {"full": (1000, 16, 50_000), "quick": (200, 8, 5_000)}
FOLDER = {"full": (4000, 397), "quick": (400, 50)}
BLOCK = 1000  # query rows at once in the bare products, as the methods take them


def rows(count: int, centres: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Return unit rows around the centres and their classes."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % len(centres)
    noise = torch.randn(count, DIM, generator=generator) / DIM**0.5
    return torch.nn.functional.normalize(centres[labels] + 0.8 * noise), labels


def prompts(classes: int) -> Tensor:
    """Return unit rows that share most of their length, as CLIP's do."""
    generator = torch.Generator().manual_seed(0)
    scattered = (
        torch.ones(classes, DIM) / DIM**0.5 + 0.8 * torch.randn(classes, DIM, generator=generator) / DIM**0.5
    )
    return torch.nn.functional.normalize(scattered)


def gda_products(text: Tensor, support: Tensor, query: Tensor) -> None:
    """One scatter matrix, its inverse, one product of all classes with all queries."""
    torch.linalg.inv((support.T @ support + torch.eye(DIM)).double())
    for part in query.split(BLOCK):
        part @ text.T


def ape_products(text: Tensor, support: Tensor, query: Tensor) -> None:
    """Cosines of queries with prompts, and on the kept channels with support images; the votes are no product."""
    kept = round(DIM * Ape().share)
    keys = support[:, :kept].contiguous()
    keys @ text[:, :kept].T
    for part in query.split(BLOCK):
        part @ text.T
        part[:, :kept].contiguous() @ keys.T


def proker_products(text: Tensor, support: Tensor, query: Tensor) -> None:
    """The kernel's products, one Cholesky factor with its two triangular solves, and the coefficients'."""
    gram = support @ support.T
    gram.mul_(0.01).diagonal().add_(2.0)
    coefficients = torch.cholesky_solve(support @ text.T, torch.linalg.cholesky(gram))
    del gram
    for part in query.split(BLOCK):
        part @ text.T
        (part @ support.T) @ coefficients


def fit_and_predict(method: Method[Any], evidence: Evidence, images: ImageFeatures) -> Tensor:
    """Return the logits of images, with nothing left of an earlier fit."""
    evidence._derived.clear()
    return method.logits(method.fit(evidence), images)


def few_shot(size: str, repeats: int) -> list[dict[str, Any]]:
    """Return seconds of fit and predict of each method, and of its bare products."""
    classes, shots, queries = FEW_SHOT[size]
    text = prompts(classes)
    support, labels = rows(classes * shots, text, 1)
    query, _ = rows(queries, text, 2)
    images = ImageFeatures(query)
    pairs: list[tuple[Method[Any], Callable[[Tensor, Tensor, Tensor], None]]] = [
        (Gda(), gda_products), (Ape(), ape_products), (Proker(), proker_products),
    ]  # fmt: skip
    found = []
    for method, products in pairs:
        evidence = Evidence(text, 100.0, support, labels)

        bare = best_of(repeats, partial(products, text, support, query))[1]
        ours = best_of(repeats, partial(fit_and_predict, method, evidence, images))[1]
        found.append(
            {
                "method": method.title, "classes x shots x queries x dim": f"{classes} x {shots} x {queries} x {DIM}",
                "processor s": round(ours, 2), "bare products": round(bare, 2), "ratio": round(ours / bare, 2),
            }
        )  # fmt: skip
    return found


def folder(size: str) -> tuple[str, Tensor, Tensor]:
    """Return where a folder is from, its unit rows, and its prompts: SUN397 where ``SUSX_REAL_DATA`` is set."""
    if size == "full":
        data = features("sun397").of_unit_norm()
        return data.source, torch.cat([data.query, data.test]), data.text
    images, classes = FOLDER[size]
    text = prompts(classes)
    centres = torch.nn.functional.normalize(text + 0.8 * prompts(2 * classes)[classes:])
    return "synthetic", rows(images, centres, 3)[0], text


def folders(size: str, repeats: int) -> list[dict[str, Any]]:
    """Return seconds of both mixtures, of their released loops read directly, and how far their shares are apart."""
    source, query, text = folder(size)
    found = []
    methods: list[tuple[Method[Any], Callable[[Tensor, Tensor], Tensor]]] = [
        (TransClip(), transclip_loop), (StatA(), stata_loop),
    ]  # fmt: skip
    for method, loop in methods:
        state = method.fit(Evidence(text))
        ours, _, logits = best_of(repeats, partial(method.logits, state, ImageFeatures(query)))
        theirs, _, shares = best_of(1, partial(loop, query, text))
        found.append(
            {
                "method": method.title, "images x classes": f"{len(query)} x {len(text)} ({source})", "s": round(ours, 2),
                "released loop s": round(theirs, 1), "times as fast": round(theirs / ours, 1),
                "largest difference of shares": float((logits.exp() - shares).abs().max()),
                "in float64": exact_difference(method, loop, query, text),
            }
        )  # fmt: skip
    return found


def exact_difference(
    method: Method[Any], loop: Callable[[Tensor, Tensor], Tensor], query: Tensor, text: Tensor
) -> float:
    """Return the largest difference of shares where the method and the loop have everything in float64."""
    return float(
        (shares_of(method, query.double(), text.double()).exp() - loop(query.double(), text.double()))
        .abs()
        .max()
    )


def shares_of(method: Method[Any], query: Tensor, text: Tensor) -> Tensor:
    """Return log z of a mixture, in the rows' precision; a fit would bring the prompts to float32."""
    return method.scores(dataclasses.replace(method.fit(Evidence(text)), text=text), query, None)


def run(quick: bool) -> dict[str, Any]:
    """Measure all of it."""
    size, repeats = ("quick", 1) if quick else ("full", 2)
    return {
        "threads": torch.get_num_threads(),
        "tables": [
            {"title": "fit and predict against bare products", "rows": few_shot(size, repeats)},
            {"title": "a folder against the released loops", "rows": folders(size, repeats)},
        ],
    }
