"""The features of an index, in parts: each part is finished or absent, so a killed build goes on where it was."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from susx.activity import doing
from susx.features.remembered import RememberedFeatures
from susx.image_files import FORMATS, BadImage, ImageLimits, open_image, save_upright
from susx.images.retrieve.index_items import IndexItem
from susx.store import digest_file

__all__ = ["Embed", "PartResult", "assemble", "build_parts", "parts_of"]

logger = logging.getLogger(__name__)

PART_SIZE = 10_000
"""Images of one part: what a kill can cost."""

Embed = Callable[[Path, Path], tuple[list[str], np.ndarray]]
"""From a folder of images and a scratch folder to file names and their features, shape [images, dim]."""

_PLAIN = {"RGB", "L"}
_ORIENTATION = 0x0112


@dataclasses.dataclass(frozen=True)
class PartResult:
    """A finished part: its folder, with ``features.npy``, ``metadata.parquet`` and ``rejected.csv``."""

    folder: Path

    @property
    def rejected(self) -> Counter[str]:
        """Images left out, by reason."""
        lines = (self.folder / "rejected.csv").read_text(encoding="utf-8").split("\n")
        return Counter(line.partition(",")[0] for line in lines if line)


def parts_of(items: Sequence[IndexItem], size: int = PART_SIZE) -> list[Sequence[IndexItem]]:
    """Cut the items into parts."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def build_parts(
    parts: Sequence[Sequence[IndexItem]],
    build: Path,
    encoder_digest: str,
    limits: ImageLimits,
    embed: Embed,
    remembered: RememberedFeatures | None = None,
    *,
    remember: bool = False,
) -> list[PartResult]:
    """Compute the parts that ``build`` does not hold yet.

    Args:
        parts: images of each part.
        build: folder of the parts.
        encoder_digest: of the encoder.
        limits: of an image.
        embed: what encodes them.
        remembered: features of photographs that were encoded before; those are not encoded again.
        remember: whether what is encoded is added to them.
    """
    done: list[PartResult] = []
    with doing("images of the index", sum(map(len, parts))) as advance:
        for number, items in enumerate(parts):
            stamps = "\n".join([encoder_digest, *(item.stamp() for item in items)])
            folder = build / f"part-{number:05d}-{hashlib.sha256(stamps.encode()).hexdigest()[:16]}"
            if not folder.is_dir():
                _build(items, folder, limits, embed, remembered, remember=remember)
                logger.info("part %d of %d of the index is done", number + 1, len(parts))
            done.append(PartResult(folder))
            advance(len(items))
    return done


def _build(
    items: Sequence[IndexItem],
    folder: Path,
    limits: ImageLimits,
    embed: Embed,
    remembered: RememberedFeatures | None,
    *,
    remember: bool,
) -> None:
    import pandas as pd

    partial = folder.with_name(folder.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "staged").mkdir(parents=True)
    rejected: list[tuple[str, str]] = []
    staged: dict[str, IndexItem] = {}
    for number, item in enumerate(items):
        name = f"{number:08d}.jpg"
        try:
            _stage(Path(item.image_path), partial / "staged" / name, limits)
            staged[name] = item
        except (BadImage, OSError) as error:
            rejected.append((getattr(error, "reason", "missing-file"), item.image_path))
    names, features = _features(partial, staged, embed, remembered, remember=remember)
    rejected += [("truncated", staged[name].image_path) for name in staged.keys() - set(names)]
    np.save(partial / "features.npy", features.astype(np.float16))
    pd.DataFrame([dataclasses.asdict(staged[name]) for name in names]).to_parquet(
        partial / "metadata.parquet"
    )
    lines = [f"{reason},{path}\n" for reason, path in sorted(rejected)]
    (partial / "rejected.csv").write_text("".join(lines), encoding="utf-8")
    for scratch in ("staged", "scratch"):
        shutil.rmtree(partial / scratch, ignore_errors=True)
    os.rename(partial, folder)


def _features(
    partial: Path,
    staged: Mapping[str, IndexItem],
    embed: Embed,
    remembered: RememberedFeatures | None,
    *,
    remember: bool,
) -> tuple[list[str], np.ndarray]:
    """Return names of staged files in their order and their features: remembered ones, and the others by ``embed``."""
    if not staged:
        return [], np.zeros((0, 0))
    if remembered is None or (remembered.is_empty and not remember):
        return embed(partial / "staged", partial / "scratch")
    files = list(staged)
    with ThreadPoolExecutor() as pool:
        digests = list(pool.map(_content, (staged[name] for name in files)))
    rows, there = remembered.look(digests)
    features = {name: rows[at] for at, name in enumerate(files) if there[at]}
    # A file that had to be written anew, upright and as JPEG, is not the photograph: its features are no one else's.
    as_it_is = {name for name in files if (partial / "staged" / name).is_symlink()}
    for name in features:
        (partial / "staged" / name).unlink()
    if len(features) < len(files):
        names, encoded = embed(partial / "staged", partial / "scratch")
        features |= dict(zip(names, encoded, strict=True))
        content = dict(zip(files, digests, strict=True))
        if remember:
            # One that was written meanwhile may not be what was encoded.
            new = [
                at
                for at, name in enumerate(names)
                if name in as_it_is and content[name] and _content(staged[name]) == content[name]
            ]
            remembered.add([content[names[at]] for at in new], np.asarray(encoded[new], dtype=np.float32))
    order = sorted(features)
    return order, np.stack([features[name] for name in order]) if order else np.zeros((0, 0))


def _content(item: IndexItem) -> str:
    """Return the sha256 of an item's file; "" where it went away."""
    try:
        return digest_file(Path(item.image_path))
    except OSError:
        return ""


def _stage(source: Path, target: Path, limits: ImageLimits) -> None:
    """Link a plain upright picture; write anything else (rotated, CMYK, 16-bit, transparent, animated) upright."""
    try:
        with Image.open(source, formats=FORMATS) as image:
            plain = (
                image.mode in _PLAIN
                and image.format in {"JPEG", "PNG", "WEBP"}
                and not getattr(image, "is_animated", False)
                and "transparency" not in image.info
                and image.getexif().get(_ORIENTATION, 1) == 1
                and image.width * image.height <= limits.max_pixels
            )
            if plain:
                # A cut file shows only when all of it is read; an eighth of the size is decoded quickly.
                image.draft("L", (1, 1))
                image.load()
    except Exception:
        plain = False
    if plain and source.stat().st_size <= limits.max_bytes:
        target.symlink_to(source)
    else:
        save_upright(open_image(source, limits), target)


def assemble(parts: Sequence[PartResult], into: Path, root: Path) -> tuple[str, int, int]:
    """Lay finished parts out as clip-retrieval does and return content digest, number of images and width.

    Args:
        parts: finished parts.
        into: gets ``img_emb/`` and ``metadata/``.
        root: folder of the index; paths below it are made relative to it.
    """
    import pandas as pd

    for name in ("img_emb", "metadata"):
        shutil.rmtree(into / name, ignore_errors=True)
        (into / name).mkdir(parents=True)
    digest = hashlib.sha256()
    rows = width = 0
    base = str(root.resolve()) + os.sep
    for number, part in enumerate(parts):
        features = np.load(part.folder / "features.npy", allow_pickle=False)
        if not len(features):
            continue
        table = pd.read_parquet(part.folder / "metadata.parquet")
        table["image_path"] = [path.removeprefix(base) for path in table["image_path"]]
        table.to_parquet(into / "metadata" / f"metadata_{number:05d}.parquet", index=False)
        np.save(into / "img_emb" / f"img_emb_{number:05d}.npy", features)
        digest.update(features.tobytes() + table.to_csv(index=False).encode())
        rows, width = rows + len(features), features.shape[1]
    return digest.hexdigest(), rows, width
