"""How soon a command answers, against the work it has to do: whole processes, on the embedded world.

    python benchmarks/run.py instant [--full]

Each ratio is of two runs of one process tree. ``--full`` adds 1,000 classes and ``susx evaluate`` at ImageNet's size.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch

from benchmarks.timing import in_new_process

__all__ = ["run"]

WORKED = ("pool", "encode-texts", "search", "fetch", "encode-images", "target")
"""Stages of the first build whose work is drawing, encoding and searching."""

SUSX = [str(Path(sys.executable).with_name("susx"))]


def run(quick: bool) -> dict[str, Any]:
    """Measure; ``quick`` leaves out what takes minutes."""
    folder = Path(tempfile.mkdtemp(prefix="susx-bench-instant-"))
    os.environ |= {"PREFECT_HOME": str(folder / "prefect"), "XDG_CACHE_HOME": str(folder / "cache")}
    try:
        rows = [*_demo(folder), *_predict(folder)]
        if not quick:
            rows += [*_many_classes(folder, 1000), *_evaluate(folder)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "threads": torch.get_num_threads(),
        "tables": [{"title": "How soon a command answers", "rows": rows}],
    }


def _row(what: str, seconds: float, against: str, base: float, wanted: str) -> dict[str, Any]:
    return {
        "what": what, "s": round(seconds, 1), "against": against, "its s": round(base, 1),
        "ratio": round(seconds / base, 2), "wanted": wanted,
    }  # fmt: skip


def _seconds(*words: str) -> float:
    begun = time.perf_counter()
    done = subprocess.run([*SUSX, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"susx {' '.join(words)}: {done.stderr[-2000:]}")
    return time.perf_counter() - begun


def _build(folder: Path, dataset: str, *more: str) -> tuple[float, dict[str, float]]:
    """Run a build; return its seconds and those of each stage that computed something."""
    out = folder / "build.json"
    words = ("build", "--dataset", dataset, "--store", str(folder / "store"), "--json", str(out), *more)
    seconds = _seconds(*words)
    stages = json.loads(out.read_text()).get("stages") or []
    return seconds, {stage["stage"]: stage["seconds"] for stage in stages if stage.get("computed")}


def _demo(folder: Path) -> list[dict[str, Any]]:
    in_new_process("bench_flow.py", "empty", str(folder))
    begun = time.perf_counter()
    in_new_process("bench_flow.py", "empty", str(folder))
    empty = time.perf_counter() - begun
    first, stages = _build(folder, "textures")
    dry = _seconds("build", "--dataset", "textures", "--store", str(folder / "store"), "--dry-run")
    unchanged, _ = _build(folder, "textures")
    alpha, changed = _build(folder, "textures", "--set", "methods.tip_x.alpha=2")
    work = sum(seconds for name, seconds in stages.items() if name in WORKED)
    return [
        _row("unchanged build, 47 classes", unchanged, "its dry run", dry, "<= 1.3"),
        _row("unchanged build, 47 classes", unchanged, "an empty Prefect flow", empty, "<= 0.2"),
        _row("another alpha", alpha, "its stages and one Prefect start", sum(changed.values()) + empty, "<= 2 s more"),
        _row("first build of the demo", first, "drawing, encoding, searching", work, "<= 1.5"),
    ]  # fmt: skip


def _many_classes(folder: Path, count: int) -> list[dict[str, Any]]:
    names = "".join(f"  - texture number {n}\n" for n in range(count))
    yaml = folder / "many.yaml"
    yaml.write_text(f'name: many\nphoto_prompt: "{{}} texture."\nclasses:\n{names}')
    settings = ("--per-class", "1", "--set", "retrieval.over_fetch=2")
    _build(folder, str(yaml), *settings)
    words = ("build", "--dataset", str(yaml), "--store", str(folder / "store"), *settings, "--dry-run")
    dry, (unchanged, _) = _seconds(*words), _build(folder, str(yaml), *settings)
    return [_row(f"unchanged build, {count:,} classes", unchanged, "its dry run", dry, "<= 1.3")]


def _predict(folder: Path) -> list[dict[str, Any]]:
    from PIL import Image

    from susx.demo.textures import render

    photo = folder / "photo.jpg"
    Image.fromarray(render("knitted", "camera", "test", 0)).save(photo)
    classifier = next((folder / "store" / "runs").glob("textures-*")) / "classifier"
    code = (
        "import torch, open_clip\nfrom susx.config import EncoderConfig\nfrom susx.features.encoder import load_encoder\n"
        "load_encoder(EncoderConfig(model='susx-tiny'))"
    )
    best = {"predict": float("inf"), "load": float("inf")}
    for _ in range(3):
        best["predict"] = min(
            best["predict"], _seconds("predict", "--classifier", str(classifier), str(photo))
        )
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        best["load"] = min(best["load"], time.perf_counter() - begun)
    against = "importing torch and open_clip, loading the model"
    return [_row("susx predict, one image", best["predict"], against, best["load"], "<= 1.2")]


def _evaluate(folder: Path) -> list[dict[str, Any]]:
    """Seven rows on 3,000 queries, 1,000 classes and 16,000 rows of a pool, against products and searches alone."""
    features, pool = folder / "features", folder / "pool"
    _write_features(features, pool)
    seconds = _seconds("evaluate", "--features", str(features), "--pool", str(pool))
    alone = in_new_process("bench_instant.py", "alone", str(features), str(pool))
    parts = ", ".join(f"{name} {value:.0f}" for name, value in alone.items())
    what = f"products and searches ({parts})"
    return [_row("susx evaluate, 3,000 x 1,000 x 16,000", seconds, what, sum(alone.values()), "<= 2")]


def _write_features(features: Path, pool: Path, classes: int = 1000, dim: int = 512) -> None:
    """Write invented rows with the geometry of CLIP's: texts in one cone, images in another, near their texts."""
    generator = torch.Generator().manual_seed(0)

    def unit(*shape: int) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.randn(*shape, generator=generator), dim=-1)

    cones = unit(2, dim)
    text = torch.nn.functional.normalize(0.8 * cones[0] + 0.6 * unit(classes, dim), dim=1)

    def images(labels: torch.Tensor) -> torch.Tensor:
        rows = 0.75 * cones[1] + 0.25 * text[labels] + 0.6 * unit(len(labels), dim)
        return torch.nn.functional.normalize(rows, dim=1)

    for path in (features, pool):
        path.mkdir()
    labels = torch.arange(3 * classes) % classes
    np.save(features / "text.npy", text.numpy())
    (features / "classnames.txt").write_text("".join(f"class {n}\n" for n in range(classes)))
    torch.save(images(labels), features / "test_f.pt")
    torch.save(labels, features / "test_l.pt")
    drawn = torch.randint(0, classes, (40 * classes,), generator=generator)
    np.save(pool / "features.npy", images(drawn).numpy())


def _alone(features: Path, pool: Path) -> Mapping[str, float]:
    """Return the seconds of what cannot be left out: statistics of the pool, ranges of the support, fits, searches."""
    from susx.features.gather_pool import gather_pool_statistics
    from susx.features.pool_search import support_from_pool
    from susx.methods import Evidence, ImageFeatures, TipAdapter, TipX, WhitenedPrototypes
    from susx.tuning import tune

    text = torch.from_numpy(np.load(features / "text.npy"))
    query = ImageFeatures(torch.load(features / "test_f.pt", weights_only=True))
    rows = np.load(pool / "features.npy", mmap_mode="r")
    spent = {}

    def timed(name: str, work: Any) -> Any:
        begun = time.perf_counter()
        result = work()
        spent[name] = time.perf_counter() - begun
        return result

    statistics = timed("pool", lambda: gather_pool_statistics(text, 100.0, [rows], ""))
    support = timed("support", lambda: support_from_pool(text, 100.0, torch.from_numpy(np.array(rows)), 16))
    evidence = Evidence(
        text, support_features=support.features, support_labels=support.labels, pool=statistics
    )
    methods = (WhitenedPrototypes(), TipAdapter(), TipX())
    states = timed("fits", lambda: [method.fit(evidence) for method in methods])
    timed("searches", lambda: [tune(method.name, evidence, "support") for method in methods])
    timed("logits", lambda: [m.logits(s, query) for m, s in zip(methods, states, strict=True)])
    return spent


if __name__ == "__main__":
    print(json.dumps(_alone(Path(sys.argv[2]), Path(sys.argv[3]))))
