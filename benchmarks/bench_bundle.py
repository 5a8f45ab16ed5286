"""A bundle against the classifier that it was made of: cold start, help, pictures a second, memory of the service, size, answers in 8 bits.

ViT-B/32 with random weights: what is measured but for the last table depends on shapes alone. The classes are means of photographs'
features (``SUSX_REAL_DATA``, else drawn pictures), half of which are left out to compare answers on. Times of both sides alternate.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from susx.bundle import load_bundle
from susx.bundle.check_pictures import drawn_pictures
from susx.bundle.support_pictures import Shown
from susx.bundle.write_bundle import export_bundle
from susx.classifier import Classifier, ClassifierFacts, read_classifier, save_classifier
from susx.config import EncoderConfig
from susx.features.encoder import load_encoder
from susx.image_files import open_image
from susx.methods import METHODS, Evidence
from susx.methods.state import Fitted
from susx.records import SupportRow

SUSX = [sys.executable, "-c", "from susx.cli import main; main()"]
CLASSES = 20


def run(quick: bool) -> dict[str, Any]:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as scratch:
        return _measure(Path(scratch), repeats=5 if quick else 15)


def _measure(folder: Path, repeats: int) -> dict[str, Any]:
    photos = _photographs(folder)
    classifier = _classifier(folder, photos)
    export_bundle(classifier, folder / "fp32")
    rest = tuple(open_image(path) for path in photos[1::2])
    kind = "photographs" if "SUSX_REAL_DATA" in os.environ else "drawn pictures"
    export_bundle(classifier, folder / "int8", shown=(Shown(kind, rest),), quantise="int8", force=True)
    told = json.loads((folder / "int8/bundle.json").read_text())
    places = {"classifier": folder / "classifier", "bundle": folder / "fp32"}
    return {
        "threads": torch.get_num_threads(),
        "tables": [
            {"title": "seconds of a command, cold (median)", "rows": _cold(photos[0], places, repeats)},
            {"title": "pictures a second, decoding included, batch 32 (median)", "rows": _speed(classifier, folder, photos, repeats)},
            {"title": "MB of susx serve at rest", "rows": _memory(places)},
            {"title": "MB installed", "rows": _installed()},
            {"title": "int8, random weights", "rows": [{"what": told["quantised"]["sentence"]}]},
        ],
    }  # fmt: skip


def _photographs(folder: Path) -> list[Path]:
    real = os.environ.get("SUSX_REAL_DATA")
    if real:
        by_class = [
            sorted(one.glob("*.jpg")) for one in sorted((Path(real) / "photos").iterdir()) if one.is_dir()
        ]
        return [path for ten in by_class[:CLASSES] for path in ten[:10]]
    (folder / "photos").mkdir()
    for number, picture in enumerate(drawn_pictures(10 * CLASSES)):
        picture.resize((300, 225)).save(folder / "photos" / f"{number:03}.jpg")
    return sorted((folder / "photos").iterdir())


def _classifier(folder: Path, photos: list[Path]) -> Classifier:
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32")
    save_file({k: v.contiguous().clone() for k, v in model.state_dict().items()}, folder / "w.safetensors")
    config = EncoderConfig(model="ViT-B-32", pretrained=str(folder / "w.safetensors"))
    encoder = load_encoder(config)
    half = photos[::2]
    rows = encoder.encode_images(half)
    labels = torch.arange(CLASSES).repeat_interleave(len(half) // CLASSES)
    # Random towers give all pictures nearly one direction: what tells them apart is what differs from their mean.
    centred = rows - rows.mean(dim=0)
    text = torch.nn.functional.normalize(
        torch.stack([centred[labels == c].mean(dim=0) for c in range(CLASSES)]), dim=1
    )
    names = tuple(f"class {n}" for n in range(CLASSES))
    fitted = Fitted.of(METHODS["tip_x"](), Evidence(text, encoder.logit_scale, rows, labels))
    support = [SupportRow(names[c], f"{n}.jpg", "", "provided", "") for n, c in enumerate(labels.tolist())]
    facts = ClassifierFacts(names, encoder.identity, config.pretrained)
    save_classifier(folder / "classifier", facts, fitted, support_features=rows, support_rows=support)
    return Classifier(read_classifier(folder / "classifier"), device="cpu", batch_size=32)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _command(*words: object) -> Callable[[], object]:
    return lambda: subprocess.run([*SUSX, *map(str, words)], capture_output=True, check=True)


def _alternating(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    seen: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            seen[name].append(_seconds(work))
    return {name: statistics.median(times) for name, times in seen.items()}


def _cold(photo: Path, places: dict[str, Path], repeats: int) -> list[dict[str, Any]]:
    imports = [sys.executable, "-c", "import torch, open_clip"]
    found = _alternating(
        {
            "predict --bundle": _command("predict", photo, "--bundle", places["bundle"]),
            "predict --classifier": _command("predict", photo, "--classifier", places["classifier"]),
            "import torch, open_clip": lambda: subprocess.run(imports, check=True, capture_output=True),
            "--help": _command("--help"),
            "predict --help": _command("predict", "--help"),
        },
        repeats,
    )
    bundle = found["predict --bundle"]
    return [
        {"what": name, "seconds": round(s, 2), "bundle / this": round(bundle / s, 3)}
        for name, s in found.items()
    ]


def _speed(classifier: Classifier, folder: Path, photos: list[Path], repeats: int) -> list[dict[str, Any]]:
    encoder, some = classifier.encoder, photos[:64]
    fp32, int8 = (load_bundle(folder / name, batch_size=32) for name in ("fp32", "int8"))

    def bare() -> None:
        for start in range(0, len(some), 32):
            pixels = torch.stack([encoder.preprocess(open_image(path)) for path in some[start : start + 32]])
            with torch.inference_mode():
                torch.nn.functional.normalize(encoder.model.encode_image(pixels), dim=-1)

    found = _alternating(
        {"bare open_clip loop": bare, "classifier": lambda: classifier.predict(some), "bundle": lambda: fp32.predict(some),
         "bundle, int8": lambda: int8.predict(some)},
        max(3, repeats // 2),
    )  # fmt: skip
    base = found["bare open_clip loop"]
    return [
        {"what": name, "pictures / s": round(len(some) / s, 1), "of the bare loop": round(base / s, 2)}
        for name, s in found.items()
    ]


def _memory(places: dict[str, Path]) -> list[dict[str, Any]]:
    rows = []
    for name, place in places.items():
        command = [*SUSX, "serve", f"--{name}", str(place), "--port", "0"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            next(line for line in process.stderr if "http://" in line)
            time.sleep(1)
            status = Path(f"/proc/{process.pid}/status").read_text()
            process.terminate()
            process.stderr.read()
        rest, peak = (int(re.findall(rf"{key}:\s+(\d+) kB", status)[0]) / 1024 for key in ("VmRSS", "VmHWM"))
        rows.append({"what": f"serve --{name}", "at rest": round(rest), "peak so far": round(peak)})
    for row in rows:
        row["of the classifier's peak"] = round(row["peak so far"] / rows[0]["peak so far"], 2)
    return rows


def _installed() -> list[dict[str, Any]]:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    light = project["dependencies"]
    sizes = {
        "light": _closure(light),
        "build": _closure([*light, *project["optional-dependencies"]["build"]]),
    }
    return [
        {"what": name, "MB": round(size / 1e6), "of all": round(size / sizes["build"], 3)}
        for name, size in sizes.items()
    ]


def _closure(wanted: list[str]) -> int:
    """Return the bytes of distributions and all that they depend on, as installed here."""
    from packaging.requirements import Requirement

    waiting, seen, size = list(wanted), set(), 0
    while waiting:
        one = Requirement(waiting.pop())
        name = re.sub(r"[-_.]+", "-", one.name).lower()
        if name in seen or (one.marker is not None and not one.marker.evaluate({"extra": ""})):
            continue
        seen.add(name)
        try:
            there = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        places = [Path(str(there.locate_file(file))) for file in there.files or ()]
        size += sum(path.stat().st_size for path in places if path.is_file())
        waiting += there.requires or ()
    return size
