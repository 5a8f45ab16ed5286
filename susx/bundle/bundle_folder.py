"""Reading a bundle's folder: whatever was done to it, it is the bundle that was written, or refused in a paragraph."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from susx.bundle.bundle_description import FILES, JSON, Description, read_description
from susx.bundle.image_graph import ImageGraph
from susx.bundle.sessions import open_session, threads_here
from susx.classifier.predictions import About
from susx.errors import DamagedArtefact, InputError, SusxError
from susx.records import SupportRow, decode_rows
from susx.rejection import Rejection
from susx.store.fingerprint import digest_file

if TYPE_CHECKING:
    from jaxtyping import Float32  # importing it takes as long as numpy

__all__ = ["StoredBundle", "read_bundle"]

_NEEDED = frozenset({"image.onnx", "head.onnx", "classes.npy"})
_DATA = {"image.onnx": "image.onnx.data", "text.onnx": "text.onnx.data"}


@dataclass(frozen=True)
class StoredBundle:
    """A checked bundle: what it says of itself, and its graphs open.

    Attributes:
        folder: where it lies.
        description: what ``bundle.json`` says.
        image: the image tower.
        head: session of the method.
        classes: zero-shot's text classifier, one unit row a class.
        support: features of the support images; None where there are none.
    """

    folder: Path
    description: Description
    image: ImageGraph
    head: Any
    classes: Float32[np.ndarray, "classes dim"]
    support: Float32[np.ndarray, "support dim"] | None

    @cached_property
    def rows(self) -> tuple[SupportRow, ...]:
        """Provenance of the support images, in the order of their features.

        Raises:
            InputError: the table cannot be read, or is of other images.
        """
        if self.support is None:
            return ()
        path = self.folder / "support.jsonl"
        try:
            rows = tuple(decode_rows(path.read_bytes()))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise InputError(
                f"{path} is no table of support images ({error}). Export the bundle anew."
            ) from error
        if len(rows) != len(self.support):
            raise InputError(
                f"{path} has {len(rows)} rows for {len(self.support)} support images. Export the bundle anew."
            )
        return rows

    @property
    def rejection(self) -> Rejection | None:
        """What is known of outsiders."""
        return self.description.rejection

    @property
    def about(self) -> About:
        """What its answers are to be read with."""
        told = self.description
        more = (told.quantised.sentence,) if told.quantised else ()
        return About(
            class_names=told.class_names, sentence=told.method.sentence, method=told.method.name,
            hyper_parameters=told.method.hyper_parameters, row_wise=True, is_zero_shot=told.method.is_zero_shot,
            class_trust=told.method.class_trust,
            tuning=told.method.tuning, calibrated_on=told.calibration.on, calibration_images=told.calibration.images, toy=told.toy,
            warning=told.warning, notes=(*told.notes, *more), encoder=str(told.encoder.id),
        )  # fmt: skip


def read_bundle(folder: Path, device: str = "cpu", *, few: bool = False) -> StoredBundle:
    """Read and verify a bundle, and open its graphs.

    Every file must have the digest it was written with; digests are computed while the graphs are opened. Somebody who writes digests of
    their own is met by a schema, by :mod:`susx.bundle.graph_check`, and by the shapes.

    Raises:
        InputError: the folder is no bundle, one of another version of susx, or its graphs cannot be run here.
        DamagedArtefact: a file is missing, altered, or not among those that were written.
        ModelError: the device is not here.
    """
    folder = folder.resolve()
    told = read_description(folder)
    _check_names(folder, told)
    with ThreadPoolExecutor(1, thread_name_prefix="digest") as pool:
        digests = pool.submit(_check_digests, folder, told)
        try:
            image = ImageGraph(
                partial(_opened, folder, "image.onnx", told, device, few), threads=threads_here(device), few=few,
                alone=told.quantised is not None and told.quantised.how == "dynamic",
            )  # fmt: skip
            head = _opened(folder, "head.onnx", told, "cpu", few)
        except SusxError:
            digests.result()  # a damaged file is said to be damaged, whatever onnxruntime makes of it
            raise
        classes = _rows(folder / "classes.npy", told.encoder.dim)
        support = _rows(folder / "support.npy", told.encoder.dim) if "support.npy" in told.files else None
        digests.result()
    _check_shapes(folder, told, image.session, head, len(classes))
    return StoredBundle(folder, told, image, head, classes, support)


def _opened(
    folder: Path, name: str, told: Description, device: str, few: bool, threads: int | None = None
) -> Any:
    beside = frozenset(data for data in [_DATA.get(name)] if data in told.files)
    return open_session(folder / name, device, beside, few=few, threads=threads)  # type: ignore[arg-type]


def _check_names(folder: Path, told: Description) -> None:
    listed: set[str] = set(told.files)
    if not listed >= _NEEDED or ("support.npy" in listed) != ("support.jsonl" in listed):
        raise InputError(f"{folder / JSON} does not list the files of a bundle. Export it anew.")
    if (told.text is None) != ("text.onnx" not in listed) or (told.text is None) != (
        "tokenizer.json" not in listed
    ):
        raise InputError(
            f"{folder / JSON} tells of a text tower and does not list text.onnx and tokenizer.json, or the other way round. Export the "
            "bundle anew with --text."
        )
    for name in sorted(FILES):
        path = folder / name
        if name in listed and not path.is_file():
            state = "missing"
        elif name not in listed and path.exists():
            state = f"not among the files that {JSON} lists"
        else:
            continue
        raise DamagedArtefact(f"{path} is {state}; copy the whole bundle again, or export it anew.")


def _check_digests(folder: Path, told: Description) -> None:
    for name, digest in told.files.items():
        if digest_file(folder / name) != digest:
            raise DamagedArtefact(
                f"{folder / name} is altered; copy the whole bundle again, or export it anew."
            )


def _rows(path: Path, dim: int) -> Float32[np.ndarray, "rows dim"]:
    try:
        rows = np.load(path, allow_pickle=False)
        if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype != np.float32:
            raise ValueError("expected a table of float32")
        if rows.shape[1] != dim or not len(rows) or not np.isfinite(rows).all():
            raise ValueError(
                f"shape {rows.shape} for features of width {dim}, or numbers that are not finite"
            )
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} holds no features ({error}). Export the bundle anew.") from error
    return rows


def _check_shapes(folder: Path, told: Description, image: Any, head: Any, classes: int) -> None:
    if classes != len(told.class_names):
        raise InputError(f"{folder}: {len(told.class_names)} class names, but {classes} rows of classes.npy.")
    pixels = [3, told.pixels.height, told.pixels.width]
    takes = [(one.name, list(one.shape[1:])) for one in image.get_inputs()]
    gives = {one.name: list(one.shape) for one in image.get_outputs()}
    if (
        takes != [("pixels", pixels)]
        or set(gives) != set(told.inputs)
        or gives["features"][1:] != [told.encoder.dim]
    ):
        raise InputError(
            f"{folder / 'image.onnx'} is not the image tower that {JSON} tells of: it takes {takes} and gives {sorted(gives)}. Export the "
            "bundle anew."
        )
    asked = {one.name: list(one.shape) for one in head.get_inputs()}
    width = asked.get("features", [told.encoder.dim])[-1]
    scores = {one.name: list(one.shape) for one in head.get_outputs()}
    if set(asked) > set(told.inputs) or scores.get("logits", [0])[-1] != classes or width != told.encoder.dim:
        raise InputError(
            f"{folder / 'head.onnx'} is not the method that {JSON} tells of: it takes {asked} and gives {scores} for {classes} "
            f"classes and features of width {told.encoder.dim}. Export the bundle anew."
        )
