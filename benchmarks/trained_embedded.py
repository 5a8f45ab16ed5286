"""The trained relatives on the embedded world, from pictures: the part of ``benchmarks/trained.py`` that needs no data.

Classes: the 24 categories of ``textures-new``, which the embedded adapters and attention never saw. Support: eight pictures a
class in the "web" domain, as they are retrieved, other ones for each seed. Measured on 20 test pictures a class in the "camera"
domain; nothing is tuned.
"""

from __future__ import annotations

import functools
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tables import cells, gain, mean_and_range, spoken, table
from timing import in_new_process, peak_mib
from torch import Tensor

from susx.config import load_dataset, load_profile
from susx.demo.textures import CATEGORIES, SPLITS, render
from susx.evaluation.interval import mean_interval
from susx.features.adapted_encoder import encode_adapted
from susx.features.encoder import Encoder, load_encoder
from susx.features.text_tower import TextTower
from susx.methods import (
    ClipAdapter,
    CoCoOp,
    CoOp,
    Evidence,
    ImageFeatures,
    MetaAdapter,
    Method,
    Run,
    TipAdapter,
    TipAdapterF,
    TipAdapterPP,
    TipX,
    TipXPP,
    ZeroShot,
)
from susx.methods.adapters import Adapters, read_adapters
from susx.methods.cocoop import CoCoOpState
from susx.methods.coop import CoOpState
from susx.methods.meta_training import meta_train
from susx.methods.trained_weights import locate_weights
from susx.store.fingerprint import digest_file

SHOTS, ASKED = 8, 20
SEEDS = (0, 1, 2)
"""Of what is trained, and of the support pictures: seed s has the s-th eight of the pool."""
NEW = load_dataset("textures-new").classes
BASE = tuple(name for name in CATEGORIES if name not in NEW)
METHODS: tuple[Method[Any], ...] = (
    ZeroShot(), TipAdapter(), TipAdapterPP(weights="demo"), TipX(), TipXPP(weights="demo"), TipAdapterF(),
    ClipAdapter(), CoOp(), CoCoOp(), MetaAdapter("demo"),
)  # fmt: skip
"""All at their defaults."""


@functools.cache
def encoder() -> Encoder:
    return load_encoder(load_profile("demo").encoder)


@functools.cache
def adapters() -> Adapters:
    file = locate_weights("demo", "adapters")
    return read_adapters(file, digest_file(file))


@functools.cache
def drawn(names: tuple[str, ...], split: str, each: int, first: int = 0) -> tuple[list[Tensor], Tensor]:
    """Return the model's inputs of some pictures, a class's from ``first`` on, and their classes."""
    labels = torch.arange(len(names)).repeat_interleave(each)
    pictures = (
        Image.fromarray(render(names[c], SPLITS[split], split, first + at % each))
        for at, c in enumerate(labels.tolist())
    )
    return [encoder().prepare(picture) for picture in pictures], labels


def evidence(names: tuple[str, ...], seed: int) -> Evidence:
    pixels, labels = drawn(names, "pool", SHOTS, seed * SHOTS)
    model = encoder()
    return Evidence(
        model.encode_texts([f"{name} texture." for name in names]), model.logit_scale, model.encode_images(pixels), labels,
        class_names=names, text_tower=TextTower(model), encoder=model.identity,
        support_adapted=encode_adapted(model, adapters(), pixels),
    )  # fmt: skip


def asked(names: tuple[str, ...], method: Method[Any] | None = None) -> ImageFeatures:
    """Return the test pictures encoded, with adapters where the method compares such features."""
    pixels, _ = drawn(names, "test", ASKED)
    twice = method is None or method.adapter_file() is not None
    return ImageFeatures(
        encoder().encode_images(pixels),
        None,
        encode_adapted(encoder(), adapters(), pixels) if twice else None,
    )


def parameters(method: Method[Any], state: Any) -> int:
    """Return how many numbers were trained, here or elsewhere."""
    if isinstance(method, MetaAdapter):
        return 2 * state.text.shape[1] ** 2 + state.text.shape[1] + 1
    if (found := method.adapters(state)) is not None:
        return sum(value.numel() for value in found.tensors.values())
    names: dict[str, tuple[str, ...]] = {
        "tip_adapter_f": ("keys",), "clip_adapter": ("down", "up"), "coop": ("context",),
        "cocoop": ("context", "down", "down_bias", "up", "up_bias"),
    }  # fmt: skip
    return sum(getattr(state, name).numel() for name in names.get(method.name, ()))


def cost(place: int, seed: int) -> dict[str, Any]:
    """Return what one method costs and reaches, in a process of its own: its peak memory beyond pictures and encoder."""
    method, given, (_, labels) = METHODS[place], evidence(NEW, seed), drawn(NEW, "test", ASKED)
    before, start = peak_mib(), time.perf_counter()
    state = method.fit(given, Run(seed))
    seconds, best = time.perf_counter() - start, float("inf")
    for _ in range(3):
        start = time.perf_counter()
        logits = method.logits(state, asked(NEW, method))
        best = min(best, time.perf_counter() - start)
    return {
        "title": method.title, "epochs": getattr(method, "epochs", 0), "seconds": seconds, "mib": peak_mib() - before,
        "parameters": parameters(method, state), "ms": 1e3 * best / len(labels),
        "right": (logits.argmax(1) == labels).int().tolist(),
    }  # fmt: skip


def trained_elsewhere(name: str) -> str:
    """Return epochs and seconds of what the embedded weights were trained for, as their record says."""
    kind = "attention" if name == "Meta-Adapter" else "adapters"
    record = json.loads(locate_weights("demo", kind).with_suffix(".json").read_text(encoding="utf-8"))
    return f"{record['recipe']['epochs']} elsewhere, {record['seconds']:.0f} s"


def costs() -> str:
    """Return a row a method: cost of the first seed, accuracy of all."""
    rows: list[list[str]] = []
    zero: list[Tensor] = []
    for place in range(len(METHODS)):
        runs = [in_new_process("trained.py", "--embedded-cost", str(place), str(seed)) for seed in SEEDS]
        found, hits = runs[0], [torch.tensor(run["right"]).bool() for run in runs]
        zero = zero or hits
        low, high = mean_interval(torch.stack(hits))
        elsewhere = found["title"] in ("Meta-Adapter", "Tip-Adapter++", "TIP-X++")
        rows.append([
            found["title"], trained_elsewhere(found["title"]) if elsewhere else str(found["epochs"]),
            f"{found['seconds']:.2f}", f"{found['mib']:.0f}", f"{found['parameters']:,}", f"{found['ms']:.2f}",
            f"{mean_and_range(hits)} [{100 * low:.1f}, {100 * high:.1f}]",
            "-" if found["title"] == "Zero-shot" else spoken(gain(zero, hits, [_numbers(hits[0])] * len(hits))),
        ])  # fmt: skip
        print("|", " | ".join(rows[-1]), "|", flush=True)
    head = [
        "method",
        "epochs",
        "fit, s",
        "peak memory, MiB",
        "parameters",
        "ms a picture",
        "top-1",
        "gain over zero-shot",
    ]
    return table(head, rows)


def moved(source: tuple[str, ...], target: tuple[str, ...], seed: int) -> dict[str, Tensor]:
    """Return hits on the target of what was trained on the source, then of the same trained on the target's support."""
    there, here, (_, labels) = evidence(source, seed), evidence(target, seed), drawn(target, "test", ASKED)
    query, tower, run = asked(target), TextTower(encoder()), Run(seed)
    text, scale = here.text_classifier, float(here.logit_scale)

    def right(method: Method[Any], state: Any) -> Tensor:
        return method.logits(state, query).argmax(1) == labels

    coop, cocoop, clip = CoOp(), CoCoOp(), ClipAdapter()
    words = coop.fit(there, run).context
    with torch.no_grad():
        prompts = tower.encode(tower.tokens(target, len(words)), words)
    learned = cocoop.fit(there, run)
    net = CoCoOpState(
        text, scale, learned.context, learned.down, learned.down_bias, learned.up, learned.up_bias, target
    )
    with tempfile.TemporaryDirectory() as out:
        meta = meta_train(there, Path(out) / "moved.safetensors", run=run)
        attended = right(meta, meta.fit(here))
    return {
        "zero-shot": right(ZeroShot(), ZeroShot().fit(here)),
        "CoOp moved": right(coop, CoOpState(prompts, scale, context=words)),
        "CoCoOp moved": right(cocoop, cocoop.bound(net, tower)),
        "CLIP-Adapter moved": right(clip, replace(clip.fit(there, run), text=text)),
        "Meta-Adapter moved": attended,
        **{f"{method.title} on it": right(method, method.fit(here, run)) for method in (coop, clip, TipAdapterF())},
    }  # fmt: skip


def transfers() -> str:
    """Return a row a pair of sets: accuracy over all seeds, and the gain over zero-shot."""
    half, rows, head = len(NEW) // 2, [], []
    for title, source, target in (
        (f"{len(BASE)} categories to the other {len(NEW)}", BASE, NEW),
        (f"first {half} of those to the other {len(NEW) - half}", NEW[:half], NEW[half:]),
    ):
        runs = [moved(source, target, seed) for seed in SEEDS]
        head = list(runs[0])
        rows.append([title, *cells(runs, [_numbers(run[head[0]]) for run in runs])])
        print("|", " | ".join(rows[-1]), "|", flush=True)
    return table(["from, to", *head], rows)


def sections() -> Iterator[str]:
    """Yield the generated part."""
    yield (
        f"One thread, torch {torch.__version__.split('+')[0]}. {len(NEW)} classes, {SHOTS} support pictures a class, "
        f"{len(NEW) * ASKED} test pictures, seeds {', '.join(map(str, SEEDS))}.\n"
    )
    yield costs()
    yield transfers()


def _numbers(hits: Tensor) -> Tensor:
    return torch.arange(len(hits))
