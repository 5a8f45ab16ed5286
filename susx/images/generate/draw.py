"""Drawing: requests to image files, resumable at every image, the same images whatever the batch size or order."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from susx.errors import GenerationError, StoreError
from susx.images.generate.arguments import call_arguments
from susx.images.generate.checks import Distinctness, Verdict, black, too_alike
from susx.images.generate.exact_tiles import fixed_tiles
from susx.images.generate.image_record import DrawnImage, file_name, read_drawn, write_drawn
from susx.images.generate.pipeline import LoadedPipeline
from susx.images.generate.requests import DrawSettings, ImageRequest, request_digest
from susx.images.generate.unseen_words import quiet_truncation, warn_of_lost_words

__all__ = ["draw"]

log = logging.getLogger(__name__)

#: Batches whose files may still be unwritten while the next one is drawn.
_BEHIND = 3


@dataclass(frozen=True)
class _Task:
    request: ImageRequest
    name: str
    attempt: int = 0


def draw(
    loaded: LoadedPipeline,
    requests: Sequence[ImageRequest],
    out_dir: Path,
    *,
    settings: DrawSettings,
    batch_size: int = 8,
    exact: bool | None = None,
    distinctness: Distinctness | None = None,
    donors: Sequence[Path] = (),
    on_image: Callable[[DrawnImage], None] | None = None,
) -> list[DrawnImage]:
    """Draw what is not yet in ``out_dir`` and return one record per request, in the order of the requests.

    Files are named by index and request digest, so a folder may hold the images of several classes, models and
    plans. A complete file of the same request is kept; a missing, cut-off or altered one is drawn again; a killed run
    loses at most the batches in flight. Files are hashed and written in a second thread while the next batch is drawn.

    Args:
        loaded: from :func:`~susx.images.generate.pipeline.load_pipeline`.
        requests: any classes, any order.
        out_dir: created when missing.
        settings: how to draw.
        batch_size: images a call; halved (and kept so) when memory runs out.
        exact: the same bytes for any batch size and order (see :mod:`~susx.images.generate.exact_tiles`); by default in
            float32 without compilation. Without it, only seeds and starting noise are the same.
        distinctness: also redraw what looks like another class.
        donors: folders of earlier runs, whose finished files of the same request are taken over.
        on_image: called in this thread with every finished record, kept, rejected or found.

    Raises:
        GenerationError: the model cannot draw with these settings, or memory does not suffice for one image.
        StoreError: the disk is full or read-only; finished images stay.
    """
    if batch_size < 1:
        raise GenerationError(f"batch_size must be 1 or more; found {batch_size}.")
    if exact and loaded.compiled:
        raise GenerationError("A compiled denoiser cannot draw exactly: leave out `compile` or `exact`.")
    if exact is None:
        exact = loaded.dtype == "float32" and not loaded.compiled
    judge = distinctness.identity() if distinctness else ""
    names = [file_name(r, request_digest(r, settings, loaded.identity(), judge)) for r in requests]
    _prepare(out_dir)
    done: dict[str, DrawnImage] = {}
    tasks: deque[_Task] = deque()
    for name, request in dict(zip(names, requests, strict=True)).items():
        drawn_before = _find(out_dir, name, request, _model(loaded), donors)
        if drawn_before is None:
            tasks.append(_Task(request, name))
            continue
        done[name] = drawn_before
        if on_image:
            on_image(drawn_before)
    if tasks:
        for note in call_arguments(loaded.pipe, settings)[1]:
            log.warning("%s: %s", loaded.model, note)
        warn_of_lost_words(loaded.pipe, {task.request.prompt for task in tasks})
        with fixed_tiles(loaded.pipe) if exact else contextlib.nullcontext(), quiet_truncation(loaded.pipe):
            for name, drawn in _drawn(loaded, tasks, out_dir, settings, batch_size, distinctness):
                done[name] = drawn
                if on_image:
                    on_image(drawn)
    return [replace(done[name], request=request) for name, request in zip(names, requests, strict=True)]


def _drawn(
    loaded: LoadedPipeline, tasks: deque[_Task], out_dir: Path, settings: DrawSettings, batch_size: int,
    distinctness: Distinctness | None,
) -> Iterator[tuple[str, DrawnImage]]:  # fmt: skip
    """Draw until no task is left; yields names and records as their files are written."""
    unwritten: deque[tuple[str, Future[DrawnImage]]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="write-images") as writer:
        while tasks:
            batch = [tasks.popleft() for _ in range(min(batch_size, len(tasks)))]
            try:
                images, flags = _paint(loaded, batch, settings)
            except _OutOfMemory as error:
                tasks.extendleft(reversed(batch))
                batch_size = _halved(len(batch), loaded, error)
                continue
            for task, image, verdict in zip(
                batch, images, _verdicts(batch, images, flags, distinctness), strict=True
            ):
                if verdict.rule and task.attempt < settings.max_redraws:
                    log.info(
                        "%s of '%s' is drawn again: %s", task.name, task.request.class_name, verdict.detail
                    )
                    tasks.append(replace(task, attempt=task.attempt + 1))
                    continue
                drawn = DrawnImage(
                    task.request, "", "", task.request.seed(task.attempt), task.attempt + 1, _model(loaded),
                    rejected=verdict.rule, detail=verdict.detail,
                )  # fmt: skip
                kept = None if verdict.rule else image
                job = writer.submit(write_drawn, out_dir, task.name, drawn, kept, loaded, settings)
                unwritten.append((task.name, job))
            while unwritten and (unwritten[0][1].done() or len(unwritten) > _BEHIND * batch_size):
                name, job = unwritten.popleft()
                yield name, job.result()
        for name, job in unwritten:
            yield name, job.result()


def _paint(
    loaded: LoadedPipeline, batch: Sequence[_Task], settings: DrawSettings
) -> tuple[list[Image.Image], list[bool]]:
    """One call of the pipeline: pictures, and which of them its safety checker blacked out."""
    # Generators live on the CPU, so that an image starts from the same noise on every device.
    seeds = [task.request.seed(task.attempt) for task in batch]
    arguments, _ = call_arguments(loaded.pipe, settings)
    arguments |= {
        "prompt": [task.request.prompt for task in batch],
        "generator": [torch.Generator("cpu").manual_seed(seed) for seed in seeds],
        "output_type": "pil",
    }
    if "negative_prompt" in arguments:
        arguments["negative_prompt"] = [arguments["negative_prompt"]] * len(batch)
    try:
        output: Any = loaded.pipe(**arguments)
    except (RuntimeError, MemoryError) as error:
        if _is_out_of_memory(error):
            raise _OutOfMemory(str(error)) from None  # the traceback would keep the tensors alive
        raise _refusal(loaded, settings, error) from error
    except (ValueError, TypeError) as error:
        raise _refusal(loaded, settings, error) from error
    flags = getattr(output, "nsfw_content_detected", None) or [False] * len(batch)
    return list(output.images), [bool(flag) for flag in flags]


def _verdicts(
    batch: Sequence[_Task], images: Sequence[Image.Image], flags: Sequence[bool], rule: Distinctness | None
) -> list[Verdict]:
    verdicts = [black(image, flag) for image, flag in zip(images, flags, strict=True)]
    lit = [row for row, verdict in enumerate(verdicts) if not verdict.rule]
    if rule is not None and lit:
        names = [batch[row].request.class_name for row in lit]
        for row, verdict in zip(lit, too_alike([images[p] for p in lit], names, rule), strict=True):
            verdicts[row] = verdict
    return verdicts


class _OutOfMemory(Exception):
    """A batch did not fit."""


def _is_out_of_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(
        sign in text for sign in ("out of memory", "can't allocate memory", "cannot allocate memory")
    )


def _halved(size: int, loaded: LoadedPipeline, error: _OutOfMemory) -> int:
    if size == 1:
        raise GenerationError(
            f"One image of '{loaded.model}' does not fit the memory of {loaded.device} ({error}). Use a smaller size, "
            "float16 (generation.dtype), a smaller model, or another device."
        )
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    log.warning(
        "Out of memory on %s with %d images at a time; going on with %d.", loaded.device, size, size // 2
    )
    return size // 2


def _refusal(loaded: LoadedPipeline, settings: DrawSettings, error: Exception) -> GenerationError:
    return GenerationError(
        f"The diffusion model '{loaded.model}' with {loaded.scheduler} could not draw with steps={settings.steps}, "
        f"guidance={settings.guidance}, size={settings.width}x{settings.height}: {error}"
    )


def _model(loaded: LoadedPipeline) -> str:
    return f"{loaded.model}@{loaded.revision}" if loaded.revision else loaded.model


def _prepare(out_dir: Path) -> None:
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        for leftover in out_dir.glob(".tmp-*"):
            leftover.unlink()
    except OSError as error:
        raise StoreError.of(error, out_dir) from error


def _find(
    out_dir: Path, name: str, request: ImageRequest, model: str, donors: Sequence[Path]
) -> DrawnImage | None:
    """The finished image of a request, in the folder itself or taken over from a donor."""
    drawn = read_drawn(out_dir, name, request, model)
    for donor in donors:
        if drawn is not None:
            break
        if (taken := read_drawn(donor, name, request, model)) is not None and taken.file:
            partial = out_dir / f".tmp-{os.getpid()}-{name}"
            try:
                shutil.copyfile(donor / name, partial)
                os.replace(partial, out_dir / name)
            except OSError as error:
                raise StoreError.of(error, out_dir) from error
            drawn = taken
    return drawn
