"""The same bits for any batch size: model calls cut into tiles of one fixed number of rows.

A matrix product or convolution of another shape, or split over another number of threads, adds the same numbers in
another order: in float32 the pictures of one seed then differ by one grey level in some pixels between batch sizes. What
a *row* of a call of a given shape comes out as does not depend on the other rows or on its place. So inside
:func:`fixed_tiles` text encoders, denoiser and image decoder only ever see ``rows`` rows: larger batches are cut, the last
tile is filled up by repeating rows. On a CPU each tile runs on one thread and the tiles run side by side.

Promised: on a CPU in float32, the same bytes for any batch size, order, number of threads or workers, and after any
resume (same processor family, same library versions). On a GPU in float32, the same on one GPU model. In half
precision tiling is off by default: seeds and starting noise are the same, pictures look the same, bits may differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

__all__ = ["TILE_ROWS", "fixed_tiles", "tiled"]

#: Rows of a tile: four images with classifier-free guidance, which gives every image two rows. Of two rows a call costs
#: nearly what it does of eight: batches of eight images then go at half the speed of a bare loop, with this at 0.85 of it.
TILE_ROWS = 8

Call = Callable[..., Any]


@contextmanager
def fixed_tiles(pipe: Any, rows: int = TILE_ROWS) -> Iterator[None]:
    """Let every model of a diffusers pipeline see ``rows`` rows at a time while the block runs."""
    on_cpu = torch.device(pipe.device).type == "cpu"
    threads = torch.get_num_threads()
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(threads, initializer=_single)) if on_cpu else None
        if on_cpu:
            torch.set_num_threads(1)
            stack.callback(torch.set_num_threads, threads)
        for module, method in _calls(pipe):
            original = vars(module).get(method)
            setattr(module, method, tiled(getattr(module, method), rows, pool))
            stack.callback(_put_back, module, method, original)
        yield


def tiled(call: Call, rows: int, pool: ThreadPoolExecutor | None = None) -> Call:
    """Wrap a model call so that tensors with as many rows as the first one are cut into tiles of ``rows``."""

    def cut(*args: Any, **kwargs: Any) -> Any:
        count = _rows(args, kwargs)
        if count is None:
            return call(*args, **kwargs)

        def one(start: int) -> Any:
            places = [min(start + offset, count - 1) for offset in range(rows)]
            with torch.no_grad():  # gradient mode is per thread
                return call(*_take(args, places, count), **_take(kwargs, places, count))

        starts = range(0, count, rows)
        parts = (
            list(pool.map(one, starts)) if pool is not None and len(starts) > 1 else [one(s) for s in starts]
        )
        return _join(parts, rows, count)

    return cut


def _single() -> None:
    torch.set_num_threads(1)


def _calls(pipe: Any) -> Iterator[tuple[Any, str]]:
    for name in ("text_encoder", "text_encoder_2", "text_encoder_3", "unet", "transformer"):
        if getattr(pipe, name, None) is not None:
            yield getattr(pipe, name), "forward"
    if getattr(pipe, "vae", None) is not None:
        yield pipe.vae, "decode"


def _put_back(module: Any, method: str, original: Any) -> None:
    if original is None:
        delattr(module, method)
    else:
        setattr(module, method, original)


def _rows(args: tuple[Any, ...], kwargs: dict[str, Any]) -> int | None:
    """Rows of the first tensor that has a batch axis and something behind it; None for batches that are lists (Z-Image)."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, list):
            return None
        if isinstance(value, Tensor) and value.ndim > 1:
            return int(value.shape[0])
    return None


def _take(value: Any, places: list[int], count: int) -> Any:
    if isinstance(value, Tensor):
        return value[places] if value.ndim and value.shape[0] == count else value
    if isinstance(value, dict):
        return {key: _take(item, places, count) for key, item in value.items()}
    if type(value) in (tuple, list):
        return type(value)(_take(item, places, count) for item in value)
    return value


def _join(parts: list[Any], rows: int, count: int) -> Any:
    first = parts[0]
    if isinstance(first, Tensor):
        if not first.ndim or first.shape[0] != rows:
            return first
        return torch.cat(parts)[:count]
    if isinstance(first, dict):  # diffusers' and transformers' outputs are ordered dictionaries of fields
        return type(first)(**{key: _join([part[key] for part in parts], rows, count) for key in first})
    if type(first) in (tuple, list):
        return type(first)(_join(list(items), rows, count) for items in zip(*parts, strict=True))
    return first
