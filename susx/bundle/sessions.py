"""Opening a graph with onnxruntime: checked first, on the device asked for, refused in a paragraph."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from susx.bundle.graph_check import check_graph
from susx.errors import ConfigError, InputError, ModelError

__all__ = ["open_session", "providers_for", "threads_here"]


def providers_for(device: str) -> list[str]:
    """Return onnxruntime's providers for a device: for ``auto`` CUDA where it is there, else the CPU.

    Raises:
        ModelError: no device is called so, or onnxruntime has none of its kind here.
    """
    import onnxruntime

    kind = device.partition(":")[0]
    there = onnxruntime.get_available_providers()
    cuda = "CUDAExecutionProvider"
    if kind == "cpu" or (kind == "auto" and cuda not in there):
        return ["CPUExecutionProvider"]
    if kind in ("cuda", "auto"):
        if cuda not in there:
            raise ModelError(
                f"The device '{device}' was asked for, and onnxruntime sees no CUDA here. Install onnxruntime-gpu, or use cpu or auto."
            )
        return [cuda, "CPUExecutionProvider"]
    raise ModelError(f"'{device}' is not a device that bundles run on: expected auto, cpu, cuda or cuda:N.")


def open_session(
    path: Path,
    device: str = "cpu",
    beside: frozenset[str] = frozenset(),
    *,
    few: bool = False,
    threads: int | None = None,
) -> Any:
    """Return a session of an ONNX file.

    Args:
        path: the file.
        device: auto, cpu, cuda.
        beside: files of its folder that it may keep data in.
        few: for a picture or two: weights are used as they lie in the file. Packing them takes as long as ten pictures, and makes each a third faster.
        threads: of one run; by default what OMP_NUM_THREADS says, else what onnxruntime takes.

    Raises:
        InputError: the file is no ONNX file, asks for more than standard operators, or this onnxruntime cannot run it.
        ModelError: the device is not here.
        ConfigError: onnxruntime is not installed.
    """
    check_graph(path, beside)
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError(
            "Bundles run with onnxruntime, which is not installed: pip install onnxruntime."
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if few:
        options.add_session_config_entry("session.disable_prepacking", "1")
    options.intra_op_num_threads = _asked_for() if threads is None else threads  # 0: onnxruntime's own number
    options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers_for(device))
    except ModelError:
        raise
    except Exception as error:  # onnxruntime has a class of errors for each status
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"{path} cannot be run by onnxruntime {onnxruntime.__version__} ({reason}). Install a newer onnxruntime, or export the bundle "
            "anew."
        ) from error


def threads_here(device: str = "cpu") -> int:
    """Return how many threads are to compute: what OMP_NUM_THREADS says, else the cores that this process may use; 0 on another device than the CPU.

    Raises:
        ModelError: the device is not here.
    """
    if providers_for(device)[0] != "CPUExecutionProvider":
        return 0
    return _asked_for() or _cores()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _asked_for() -> int:
    """Return the threads that OMP_NUM_THREADS asks for, of a list of levels the first, and no more than there are cores; 0 where it asks for none."""
    asked = re.match(r"\s*(\d{1,9})\s*(,|$)", os.environ.get("OMP_NUM_THREADS", ""), re.ASCII)
    return min(int(asked[1]), _cores()) if asked else 0
