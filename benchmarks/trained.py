"""Training-free, trained and meta-trained methods: ``python benchmarks/trained.py [--real FOLDER]``.

Without ``--real`` the embedded world is measured, from pictures (``trained_embedded.py``), with it real features. FOLDER
holds ``clip-vit-b-32/{dtd,sun397}`` as the tests of real features read it (SUSX_REAL_DATA). DTD: the first 16 images a
class of val are the support, the others tune, the official test split measures. SUN397: eight shots a class,
half of val tunes, the other half measures. No test label chooses anything. Writes a page of tables.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trained_embedded
from tables import cells, gain, mean_and_range, spoken, table
from timing import in_new_process, peak_mib
from torch import Tensor

from susx.experiment.result_rows import halve
from susx.features.feature_set import Split
from susx.methods import (
    ClipAdapter,
    Evidence,
    ImageFeatures,
    MetaAdapter,
    Method,
    Run,
    TipAdapter,
    TipAdapterF,
    TipX,
    ZeroShot,
)
from susx.methods.meta_training import RECIPE, meta_train
from susx.tuning import tune

SEEDS = (0, 1, 2)
TITLES = {"dtd": "DTD, 16 shots", "sun397": "SUN397, 8 shots"}


@dataclass(frozen=True)
class Set:
    """What may be looked at, and labelled images that only measure."""

    name: str
    evidence: Evidence
    test: Split
    images: Tensor
    """Number of each test image in the file it comes from."""

    def part(self, classes: Tensor) -> Set:
        """Return the set of some classes, numbered anew."""
        place = torch.full((self.evidence.classes,), -1).index_copy(0, classes, torch.arange(len(classes)))

        def cut(features: Tensor | None, labels: Tensor | None) -> tuple[Tensor, Tensor]:
            assert features is not None
            assert labels is not None
            kept = place[labels] >= 0
            return features[kept], place[labels[kept]]

        given = self.evidence
        support = cut(given.support_features, given.support_labels)
        validation = cut(given.validation_features, given.validation_labels)
        evidence = Evidence(
            given.text_classifier[classes], given.logit_scale, *support,
            validation_features=validation[0], validation_labels=validation[1],
        )  # fmt: skip
        kept = place[self.test.labels] >= 0
        return Set(self.name, evidence, Split(*cut(self.test.features, self.test.labels)), self.images[kept])


def read(folder: Path, name: str, seed: int = 0) -> Set:
    """Return one data set; the seed halves SUN397's val."""
    root = folder / "clip-vit-b-32" / name

    def load(stem: str) -> Tensor:
        return torch.load(root / f"{stem}.pt", map_location="cpu", weights_only=True)

    text = torch.from_numpy(np.load(root / "text.npy")).float()
    labelled = Split(load("val_f").float(), load("val_l").long())
    if name == "dtd":
        earlier = torch.nn.functional.one_hot(labelled.labels).cumsum(0)
        first = earlier.gather(1, labelled.labels[:, None])[:, 0] <= 16
        support = Split(labelled.features[first], labelled.labels[first])
        validation = Split(labelled.features[~first], labelled.labels[~first])
        test = Split(load("test_f").float(), load("test_l").long())
        images = torch.arange(len(test))
    else:
        validation, test = halve(labelled, seed)
        images = _numbers_of_halved(labelled, seed)
        support = Split(load("keys_8shots").float().T.contiguous(), load("values_8shots").float().argmax(1))
    evidence = Evidence(
        text, 100.0, support.features, support.labels,
        validation_features=validation.features, validation_labels=validation.labels,
    )  # fmt: skip
    return Set(name, evidence, test, images)


def _numbers_of_halved(whole: Split, seed: int) -> Tensor:
    """Return the numbers of the images in the second half."""
    numbered = Split(torch.arange(len(whole)).double()[:, None], whole.labels)
    return halve(numbered, seed)[1].features[:, 0].long()


def methods(weights: MetaAdapter) -> tuple[Method[Any], ...]:
    return ZeroShot(), TipAdapter(), TipX(), TipAdapterF(), ClipAdapter(), weights


def right(method: Method[Any], state: Any, test: Split) -> Tensor:
    """Return which test images a fitted method gets right."""
    return method.logits(state, ImageFeatures(test.features)).argmax(1) == test.labels


def measure(given: Set, method: Method[Any], tuning: str, run: Run) -> Tensor:
    """Return which test images are right under a protocol; ``fixed`` sees no validation image."""
    evidence = given.evidence
    if tuning == "fixed":
        evidence = replace(evidence, validation_features=None, validation_labels=None)
    chosen, _ = tune(method, evidence, tuning, dataset=given.name, run=run)
    return right(chosen, chosen.fit(evidence, run), given.test)


def accuracies(folder: Path, name: str, trained: dict[int, MetaAdapter], kept: Path) -> str:
    """Return top-1 of every method, fixed and tuned, over three seeds, and the paired gain over zero-shot."""
    found: dict[tuple[str, str], list[Tensor]] = {}
    images = []
    for seed in SEEDS:
        given = read(folder, name, seed)
        images.append(given.images)
        for method in methods(trained[seed]):
            for tuning in ("fixed", "val") if method.axes else ("fixed",):
                hits = measure(given, method, tuning, Run(seed, folder=kept))
                found.setdefault((method.title, tuning), []).append(hits)
    zero, rows = found["Zero-shot", "fixed"], []
    for title in dict.fromkeys(title for title, _ in found):
        tuned = found.get((title, "val"))
        line = [title, mean_and_range(found[title, "fixed"]), mean_and_range(tuned) if tuned else "-"]
        line.append(spoken(gain(zero, tuned, images)) if tuned else "-")
        rows.append(line)
    return table([TITLES[name], "fixed values", "tuned on val", "gain of tuned over zero-shot"], rows)


def cost_of(folder: Path, name: str, place: int, weights: str) -> dict[str, Any]:
    """Return what one method costs at its fixed values; run in a process of its own, whose peak memory is the method's."""
    given, method = read(folder, name), methods(MetaAdapter(weights))[place]
    before, start = peak_mib(), time.perf_counter()
    if method.name == "meta_adapter":
        # Trained elsewhere: the training is that of the table's other set, timed here as well.
        other = read(folder, "sun397" if name == "dtd" else "dtd")
        with tempfile.TemporaryDirectory() as out:
            meta_train(other.evidence, Path(out) / "w.safetensors")
        trained, parameters, epochs = time.perf_counter() - start, 2 * 512 * 512 + 513, RECIPE.epochs
        state = method.fit(given.evidence)
    else:
        state = method.fit(given.evidence)
        trained, epochs = time.perf_counter() - start, getattr(method, "epochs", 0)
        names = {"tip_adapter_f": ("keys",), "clip_adapter": ("down", "up")}.get(method.name, ())
        parameters = sum(getattr(state, field).numel() for field in names)
    query, best = ImageFeatures(given.test.features), float("inf")
    for _ in range(5):
        start = time.perf_counter()
        method.logits(state, query)
        best = min(best, time.perf_counter() - start)
    hits = right(method, state, given.test)
    return {
        "method": method.title, "epochs": epochs, "seconds": trained, "mib": peak_mib() - before,
        "parameters": parameters, "ms": 1e3 * best / len(query), "top1": 100 * float(hits.float().mean()),
    }  # fmt: skip


def costs(folder: Path, name: str, weights: MetaAdapter) -> str:
    rows = []
    for place in range(len(methods(weights))):
        arguments = ("--real", str(folder), "--cost", name, str(place), weights.weights)
        found = in_new_process("trained.py", *arguments)
        rows.append([
            found["method"], str(found["epochs"]), f"{found['seconds']:.2f}", f"{found['mib']:.0f}",
            f"{found['parameters']:,}", f"{found['ms']:.4f}", f"{found['top1']:.2f}",
        ])  # fmt: skip
    head = ["epochs", "fit or training, s", "peak memory, MiB", "parameters", "ms an image", "top-1, fixed"]
    return table([TITLES[name], *head], rows)


def moved(source: Set, target: Set, run: Run, out: Path) -> dict[str, Tensor]:
    """Return the hits on the target, fixed values: zero-shot, CLIP-Adapter trained on the source, Meta-Adapter of the
    source with the target's shots, then the two that see the target's shots in training: what a transfer competes with.
    """
    clip = ClipAdapter()
    layers = replace(clip.fit(source.evidence, run), text=target.evidence.text_classifier)
    meta = meta_train(source.evidence, out / "moved.safetensors", run=run)
    ours = {
        "zero-shot": (ZeroShot(), ZeroShot().fit(target.evidence)),
        "CLIP-Adapter moved": (clip, layers),
        "Meta-Adapter moved": (meta, meta.fit(target.evidence)),
        **{f"{method.title} on it": (method, method.fit(target.evidence, run)) for method in (clip, TipAdapterF())},
    }  # fmt: skip
    return {title: right(method, state, target.test) for title, (method, state) in ours.items()}


def transfers(folder: Path, out: Path) -> str:
    """Return top-1 across the classes of one set and across sets over three seeds, and the gain over zero-shot."""

    def halves(given: Set) -> tuple[Set, Set]:
        # Those of the list of classes: the first half is the base.
        base, new = torch.arange(given.evidence.classes).tensor_split(2)
        return given.part(base), given.part(new)

    runs: dict[str, list[tuple[Tensor, dict[str, Tensor]]]] = {}
    for seed in SEEDS:
        dtd, sun = read(folder, "dtd", seed), read(folder, "sun397", seed)
        for source, target in (halves(dtd), halves(sun), (sun, dtd), (dtd, sun)):
            title = f"{source.name} to {target.name}"
            if source.name == target.name:
                base, new = source.evidence.classes, target.evidence.classes
                title = f"{source.name}: first {base} classes to the other {new}"
            hits = moved(source, target, Run(seed, folder=out), out)
            runs.setdefault(title, []).append((target.images, hits))
    rows = [
        [title, *cells([hits for _, hits in found], [images for images, _ in found])]
        for title, found in runs.items()
    ]
    return table(["from, to", *hits], rows)


def sections(folder: Path, out: Path) -> Iterator[str]:
    """Yield the page's generated part; what was trained once is taken up from ``out``."""
    yield f"One thread, {platform.machine()}, torch {torch.__version__.split('+')[0]}.\n"
    trained: dict[str, dict[int, MetaAdapter]] = {"dtd": {}, "sun397": {}}
    for name, other in (("dtd", "sun397"), ("sun397", "dtd")):
        for seed in SEEDS:
            run, file = Run(seed, folder=out), out / f"{other}-{seed}.safetensors"
            trained[name][seed] = meta_train(read(folder, other).evidence, file, run=run)
    for title, rows in (
        ("Accuracy", (lambda name: accuracies(folder, name, trained[name], out))),
        ("Cost", (lambda name: costs(folder, name, trained[name][0]))),
    ):
        yield f"### {title}\n"
        yield from map(rows, TITLES)
    yield f"### Transfer\n\n{transfers(folder, out)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/methods/trained.md"))
    parser.add_argument("--cost", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--embedded-cost", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # softmax at scale 100 underflows, and such numbers are slow
    if arguments.cost:
        name, place, weights = arguments.cost
        print(json.dumps(cost_of(arguments.real, name, int(place), weights)))
        return
    if arguments.embedded_cost is not None:
        print(json.dumps(trained_embedded.cost(*arguments.embedded_cost)))
        return
    if arguments.real is None:
        _write(arguments.out, "embedded world", trained_embedded.sections())
        return
    with tempfile.TemporaryDirectory() as out:
        _write(arguments.out, "real features", sections(arguments.real, Path(out)))


def _write(page: Path, part: str, made: Iterator[str]) -> None:
    """Replace a part of the page by what is made, each section as it comes; the part is what lies between two marks."""
    generated = []
    for section in made:
        generated.append(section)
        print(section, flush=True)
    begin, end = (f"<!-- {word} of benchmarks/trained.py: {part} -->\n" for word in ("begin", "end"))
    text = page.read_text(encoding="utf-8") if page.exists() else begin + end
    before, after = text.split(begin)[0], text.split(end)[-1]
    page.write_text(before + begin + "\n" + "\n".join(generated) + "\n" + end + after, encoding="utf-8")


if __name__ == "__main__":
    main()
