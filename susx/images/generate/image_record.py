"""Image files that carry their own provenance, written whole or not at all, and checked before they are kept.

A PNG's text chunks hold the class, prompt, seed, model, revision, scheduler, steps, guidance and size in words, and one
JSON chunk with the same plus the sha256 of the decoded pixels, so that a cut-off or altered file is noticed. What
was rejected leaves a ``.rejected.json`` of the same name, so that it is not drawn again at every resume.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from susx.errors import StoreError
from susx.images.generate.pipeline import LoadedPipeline
from susx.images.generate.requests import DrawSettings, ImageRequest
from susx.store import write_atomically
from susx.types import Digest

__all__ = ["DrawnImage", "file_name", "read_drawn", "write_drawn"]

log = logging.getLogger(__name__)

_CHUNK = "susx"


@dataclass(frozen=True)
class DrawnImage:
    """What became of a request.

    Attributes:
        request: what was asked for.
        file: name inside the output folder, "" when rejected.
        digest: sha256 of the file, "" when rejected.
        seed: of the drawing that was kept, or of the last one.
        attempts: drawings made; 1 when the first was kept.
        model: "name@revision" of the diffusion model.
        width, height: pixels, 0 when rejected.
        rejected: "", or "safety-checker", "black" or "indistinct".
        detail: one sentence on the rejection.
    """

    request: ImageRequest
    file: str
    digest: Digest
    seed: int
    attempts: int
    model: str
    width: int = 0
    height: int = 0
    rejected: str = ""
    detail: str = ""


def file_name(request: ImageRequest, digest: Digest) -> str:
    """``00012-<16 hex digits>.png``: the class name never becomes part of a path."""
    return f"{request.index:05d}-{digest[:16]}.png"


def write_drawn(
    folder: Path,
    name: str,
    drawn: DrawnImage,
    image: Image.Image | None,
    loaded: LoadedPipeline,
    settings: DrawSettings,
) -> DrawnImage:
    """Write an image (or, for None, the record of its rejection); returns the record with file and digest.

    Raises:
        StoreError: the disk is full or read-only; nothing half-written is left.
    """
    if image is None:
        facts = {key: value for key, value in dataclasses.asdict(drawn).items() if key != "request"}
        _replace(folder / _rejection(name), json.dumps(facts, ensure_ascii=True, sort_keys=True).encode())
        return drawn
    drawn = dataclasses.replace(drawn, file=name, width=image.width, height=image.height)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=_provenance(drawn, image, loaded, settings))
    data = buffer.getvalue()
    _replace(folder / name, data)
    return dataclasses.replace(drawn, digest=hashlib.sha256(data).hexdigest())


def read_drawn(folder: Path, name: str, request: ImageRequest, model: str) -> DrawnImage | None:
    """Return the record of a finished image or rejection; None when there is none or it is damaged (and says so)."""
    path = folder / name
    rejection = folder / _rejection(name)
    if rejection.is_file():
        try:
            return DrawnImage(request=request, **json.loads(rejection.read_bytes()))
        except (ValueError, TypeError):
            log.warning("%s is damaged; the image is drawn again", rejection)
    if not path.is_file():
        return None
    try:
        data = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
                image.load()
                facts = json.loads(image.text[_CHUNK])  # type: ignore[attr-defined]
                if facts["pixels"] != _pixels(image):
                    raise ValueError("its pixels are not those that were written")
                return DrawnImage(
                    request=request, file=name, digest=hashlib.sha256(data).hexdigest(), seed=facts["seed"],
                    attempts=facts["attempts"], model=model, width=image.width, height=image.height,
                )  # fmt: skip
    except (
        Exception
    ) as error:  # a damaged PNG raises SyntaxError, struct.error, zlib.error, OSError, KeyError ...
        log.warning("%s is damaged (%s); it is drawn again", path, error)
        return None


def _provenance(
    drawn: DrawnImage, image: Image.Image, loaded: LoadedPipeline, settings: DrawSettings
) -> PngInfo:
    request = drawn.request
    provenance = {
        "Class": request.class_name,
        "Prompt": request.prompt,
        "Negative prompt": settings.negative_prompt or "",
        "Seed": str(drawn.seed),
        "Model": loaded.model,
        "Revision": loaded.revision,
        "Scheduler": loaded.scheduler,
        "Steps": str(settings.steps),
        "Guidance": str(settings.guidance),
        "Size": f"{image.width}x{image.height}",
        "Software": "susx",
    }
    facts = {
        "request": dataclasses.asdict(request), "settings": dataclasses.asdict(settings), "seed": drawn.seed,
        "attempts": drawn.attempts, "model": loaded.identity(), "pixels": _pixels(image),
    }  # fmt: skip
    info = PngInfo()
    for key, text in provenance.items():
        if text:  # NUL ends a text chunk
            info.add_itxt(key, text.replace("\0", " ").encode("utf-8", "replace").decode())
    info.add_itxt(_CHUNK, json.dumps(facts, ensure_ascii=True, sort_keys=True))
    return info


def _pixels(image: Image.Image) -> str:
    return hashlib.sha256(f"{image.mode} {image.size}".encode() + image.tobytes()).hexdigest()


def _rejection(name: str) -> str:
    return f"{Path(name).stem}.rejected.json"


def _replace(path: Path, data: bytes) -> None:
    try:
        write_atomically(path, data)
    except OSError as error:
        raise StoreError.of(error, path) from error
