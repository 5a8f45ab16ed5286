"""A smaller image tower: weights and products in 8 bits, or in half precision, with what that changes measured on pictures.

``int8`` is tried in two ways, and the one that changes fewer answers is kept. Dynamic: weights of the matrix products, a scale for each output
channel; what flows in is scaled as it comes. Static: convolutions too, with scales fixed on pictures; better where convolutions do the work.
``fp16`` halves the file; on a CPU it is not faster. The norms stay in single precision: with LayerNormalization in half precision
onnxruntime 1.32 ends the process while it optimises the graph.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from susx.bundle.image_graph import ImageGraph
from susx.bundle.sessions import open_session, threads_here
from susx.errors import ConfigError

__all__ = ["Candidate", "candidates", "replace_graph"]

_PRODUCTS = ["MatMul", "Gemm"]
_LARGEST = 2_000_000_000
"""Bytes that one protobuf holds (2 GiB at most)."""

_CALIBRATION = 32
"""Pictures that the static scales are fixed on; more take memory for every value of the graph."""

_PRECISE = ["LayerNormalization", "ReduceL2", "Clip", "Expand"]
"""Operators that stay in single precision: norms."""


@dataclass(frozen=True)
class Candidate:
    """A graph that was made smaller.

    Attributes:
        path: the file.
        how: in which way.
        features: what it gives for the pictures, unit rows.
    """

    path: Path
    how: str
    features: Float32[np.ndarray, "pictures dim"]


@contextlib.contextmanager
def candidates(
    graph: Path, to: str, pixels: Sequence[Float32[np.ndarray, "channels height width"]]
) -> Iterator[list[Candidate]]:
    """Yield the image tower in fewer bits, in each way that there is; the files are gone afterwards.

    Args:
        graph: ONNX file of the tower.
        to: int8 or fp16.
        pixels: inputs to calibrate and to compare with.

    Raises:
        ConfigError: the graph has more than 2 GB, or cannot be brought to fewer bits.
    """
    if _size(graph) > _LARGEST:
        raise ConfigError(
            "Weights of more than 2 GB are not quantised; leave --quantize out, or use a smaller encoder."
        )
    ways = {"int8": {"dynamic": _dynamic, "static": _static}, "fp16": {"half precision": _half}}[to]
    with tempfile.TemporaryDirectory() as scratch, _quiet():
        made = []
        reasons = []
        for how, write in ways.items():
            path = Path(scratch) / f"{how.replace(' ', '-')}.onnx"
            try:
                write(graph, path, pixels[:_CALIBRATION])
                made.append(Candidate(path, how, _features(path, pixels)))
            except Exception as error:  # the quantiser raises what it likes; another way may still do
                reasons.append(f"{how}: {' '.join(str(error).split())[:150] or type(error).__name__}")
        if not made:
            raise ConfigError(
                f"The image tower cannot be brought to {to} ({'; '.join(reasons)}). Leave --quantize out."
            )
        yield made


def _features(path: Path, pixels: Sequence[np.ndarray]) -> np.ndarray:
    graph = ImageGraph(
        lambda threads: open_session(path, threads=threads), threads=threads_here(), alone=True
    )
    return np.concatenate([rows for (rows,) in graph.run(["features"], pixels, len(pixels))])


def _dynamic(graph: Path, path: Path, pixels: Sequence[np.ndarray]) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        graph, path, op_types_to_quantize=_PRODUCTS, per_channel=True, weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )  # fmt: skip
    _require_smaller(graph, path)


def _static(graph: Path, path: Path, pixels: Sequence[np.ndarray]) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Pictures(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rest = iter(pixels)

        def get_next(self) -> dict[str, Any] | None:
            one = next(self.rest, None)
            return None if one is None else {"pixels": one[None]}

    quantize_static(
        graph, path, Pictures(), quant_format=QuantFormat.QDQ, op_types_to_quantize=[*_PRODUCTS, "Conv"], per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    _require_smaller(graph, path)


def _half(graph: Path, path: Path, pixels: Sequence[np.ndarray]) -> None:
    import onnx
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    model = onnx.load(graph)
    last = [node.name for node in model.graph.node if "features" in node.output]  # the division by the norm
    half = convert_float_to_float16(
        model, keep_io_types=True, op_block_list=[*DEFAULT_OP_BLOCK_LIST, *_PRECISE], node_block_list=last
    )
    onnx.save(half, str(path))
    _require_smaller(graph, path)


def _require_smaller(graph: Path, path: Path) -> None:
    if _size(path) > 0.9 * _size(graph):
        raise ValueError("hardly anything of it can be made smaller")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantiser's advice to itself; it speaks to the root logger."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)


def replace_graph(candidate: Candidate, graph: Path) -> None:
    """Put a candidate in the graph's place; it holds its weights itself."""
    shutil.copyfile(candidate.path, graph)
    _beside(graph).unlink(missing_ok=True)


def _beside(graph: Path) -> Path:
    return graph.with_name(f"{graph.name}.data")


def _size(graph: Path) -> int:
    """Return the bytes of a graph with those of the file of weights beside it."""
    return sum(path.stat().st_size for path in (graph, _beside(graph)) if path.exists())
