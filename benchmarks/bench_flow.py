"""What orchestration costs: an empty flow, an unchanged rerun, a large simulated build, one class more, hashing.

The simulated build has sleeping stages, but the real store, the real Prefect and real manifests. Each measurement
runs in a process of its own, so that imports and Prefect's temporary server are counted.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.timing import in_new_process, peak_mib

IMAGE_BYTES = 4096


def run(quick: bool) -> dict[str, Any]:
    """Measure; ``quick`` simulates 200 classes x 20 images instead of 1,000 x 100."""
    classes, images = (200, 20) if quick else (1000, 100)
    seconds = 0.01
    folder = Path(tempfile.mkdtemp(prefix="susx-bench-flow-"))
    os.environ["PREFECT_HOME"] = str(folder / "prefect")
    try:
        _part("empty", folder)  # makes the database of Prefect's temporary server
        empty = _part("empty", folder)
        first = _part("simulated", folder, classes, images, seconds)
        again = _part("simulated", folder, classes, images, seconds)
        more = _part("simulated", folder, classes + 1, images, seconds)
        few = _part("simulated", folder, max(classes // 10, 1), images, seconds)
        status = _part("status", folder, classes + 1, images, seconds)
        real = _real(folder, 240 if quick else 8000)
        hashing = _part("hashing", folder, 256 if quick else 2048)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    device = classes * images * seconds
    rows = [
        _row("empty flow", empty, empty),
        _row(f"build, {classes} classes x {images} images", first, empty),
        _row("the same again", again, empty),
        _row("one class more", more, empty),
        _row(f"{max(classes // 10, 1)} classes of it", few, empty),
        _row("status of it", status, None),
        *[_row(name, value, empty) for name, value in real.items()],
    ]
    inside = first["stages"]
    return {
        "threads": 1,
        "empty_s": empty["wall"],
        "rerun_beyond_empty_s": again["wall"] - empty["wall"],
        "overhead_share": (first["wall"] - device) / device,
        "overhead_share_beyond_empty": (first["wall"] - empty["wall"] - device) / device,
        "computed_for_one_class": more["computed"],
        "tables": [
            {"title": "Orchestration, wall and processor seconds", "rows": rows},
            {
                "title": f"Overhead on {device:.0f} s of simulated device time",
                "rows": [
                    {"stage": name, "jobs": s["jobs"], "seconds": round(s["seconds"], 2)}
                    for name, s in inside.items()
                ],
            },
            {"title": "Hashing and verification", "rows": [hashing]},
        ],
    }


def _row(name: str, part: dict[str, Any], empty: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "what": name, "wall s": round(part["wall"], 2), "cpu s": round(part["cpu"], 2),
        "beyond empty s": round(part["wall"] - empty["wall"], 2) if empty else "",
        "peak MB": round(part["peak_mb"]), "computed": part.get("computed", ""), "cached": part.get("cached", ""),
    }  # fmt: skip


def _part(name: str, folder: Path, *values: object) -> dict[str, Any]:
    begun = time.perf_counter()
    part = in_new_process("bench_flow.py", name, str(folder), *map(str, values))
    return {"wall": time.perf_counter() - begun, **part}


def _real(folder: Path, pool: int) -> dict[str, dict[str, Any]]:
    """Build three textures, then what people do next: the same again, its dry run, another alpha, a recorded run."""
    import subprocess

    yaml = folder / "small.yaml"
    yaml.write_text(
        'name: small\nphoto_prompt: "{} texture."\nclasses: [banded, dotted, woven]\n'
        "reader: {kind: demo, options: {val: 2, test: 3}}\n"
    )
    command = [
        sys.executable, "-m", "susx.flows.build", "--dataset", str(yaml), "--mode", "retrieve", "--per-class", "2",
        "--set", f"retrieval.pool_size={pool}", "--store", str(folder / "real"),
    ]  # fmt: skip
    found = {}
    runs: tuple[tuple[str, list[str]], ...] = (
        ("real build of three textures", []),
        ("the same build again", []),
        ("its dry run", ["--dry-run"]),
        ("another alpha", ["--set", "methods.tip_x.alpha=2"]),
        ("the same again, --record", ["--record"]),
    )
    for name, more in runs:
        begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*command, *more], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found[name] = {"wall": time.perf_counter() - begun, "cpu": cpu, "peak_mb": after.ru_maxrss / 1024}
    return found


# ------------------------------------------------------------- in a process of its own


def _empty(folder: Path) -> dict[str, Any]:
    from susx.flows.settings import prepare_environment

    prepare_environment()
    from prefect import flow

    @flow(persist_result=False)
    def empty() -> None:
        return None

    empty()
    return {}


def _jobs(classes: int, images: int, seconds: float) -> dict[str, list[Any]]:
    """Return the jobs of the simulated stages that depend on nothing; the chain is made while it runs."""
    from susx.store import Job

    params = {"images": images, "seconds": seconds}
    return {"generate": [Job("generate", 1, "simulated", f"class {i}", params) for i in range(classes)]}


def _draw(job: Any, store: Any, work: Path) -> dict[str, int]:
    """Sleep as long as a generator would draw, image by image, writing each."""
    for i in range(job.params["images"]):
        time.sleep(job.params["seconds"])
        (work / f"{i}.png").write_bytes(f"{job.subject} {i}".encode().ljust(IMAGE_BYTES, b"."))
    return {"images": job.params["images"]}


def _encode(job: Any, store: Any, work: Path) -> dict[str, int]:
    """Read the images and write one small file."""
    files = sorted(store.folder(job.inputs["images"]).glob("*.png"))
    (work / "features.bin").write_bytes(b"".join(path.read_bytes()[:64] for path in files))
    return {"images": len(files)}


def _gather(job: Any, store: Any, work: Path) -> dict[str, int]:
    """Touch every input, as curation does."""
    (work / "support.txt").write_text("\n".join(ref.digest for ref in job.inputs.values()))
    return {"classes": len(job.inputs)}


def _walk(executor: Any, classes: int, images: int, seconds: float) -> None:
    from susx.store import Job

    stages = _stages()
    drawn = executor.run(stages["generate"], _jobs(classes, images, seconds)["generate"])
    jobs = [Job("encode-images", 1, "simulated", ref.subject, {}, {"images": ref}) for ref in drawn]
    encoded = executor.run(stages["encode-images"], jobs)
    inputs = {ref.subject: ref for ref in encoded}
    executor.run(stages["curate"], [Job("curate", 1, "simulated", "", {}, inputs)])


def _stages() -> dict[str, Any]:
    """Put the simulated stages into the wiring, which a task asks, under the names of those they stand for."""
    from susx.pipeline.stage import Stage
    from susx.pipeline.wiring import WIRING

    stages = {
        "generate": Stage("generate", 1, _draw, "Sleep", resumable=True, device=True),
        "encode-images": Stage("encode-images", 1, _encode, "Read", device=True),
        "curate": Stage("curate", 1, _gather, "Gather"),
    }
    for name, stage in stages.items():
        WIRING[name] = replace(WIRING[name], stage=stage)
    return stages


def _simulated(folder: Path, classes: str, images: str, seconds: str) -> dict[str, Any]:
    from susx.flows.settings import prepare_environment

    prepare_environment()
    from prefect import flow
    from prefect.task_runners import ThreadPoolTaskRunner

    from susx.flows.executor import PrefectExecutor
    from susx.flows.progress import Progress
    from susx.flows.tasks import keep_results_in
    from susx.store import ArtefactStore

    store = ArtefactStore(folder / "store")
    executor = PrefectExecutor(store, Progress())

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1), persist_result=False)
    def simulated() -> None:
        keep_results_in(store)
        _walk(executor, int(classes), int(images), float(seconds))

    simulated()
    return {
        "computed": sum(record.count("computed") for record in executor.records),
        "cached": sum(record.count("cached") for record in executor.records),
        "stages": {r.stage: {"jobs": len(r.outcomes), "seconds": r.seconds} for r in executor.records},
    }


def _status(folder: Path, classes: str, images: str, seconds: str) -> dict[str, Any]:
    from susx.pipeline.executors import PlanExecutor
    from susx.store import ArtefactStore

    executor = PlanExecutor(ArtefactStore(folder / "store"))
    _walk(executor, int(classes), int(images), float(seconds))
    assert {planned.state for planned in executor.planned} == {"fresh"}
    return {"cached": len(executor.planned)}


def _hashing(folder: Path, megabytes: str) -> dict[str, Any]:
    from susx.store.fingerprint import digest_file

    size, path = int(megabytes), folder / "large.bin"
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for _ in range(size):
            file.write(block)
    digest_file(path)
    begun = time.process_time()
    digest_file(path)
    spent = time.process_time() - begun
    return {"MB": size, "sha256 GB per cpu s": round(size / 1024 / spent, 2)}


def _main() -> None:
    import json

    name, folder, *values = sys.argv[1:]
    parts = {"empty": _empty, "simulated": _simulated, "status": _status, "hashing": _hashing}
    found = parts[name](Path(folder), *values)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(u.ru_utime + u.ru_stime for u in used)
    peak = peak_mib()
    print(json.dumps({"cpu": cpu, "peak_mb": peak, **found}))


if __name__ == "__main__":
    _main()
