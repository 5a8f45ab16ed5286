"""Any text-to-image pipeline of diffusers, loaded through ``AutoPipelineForText2Image``."""

from __future__ import annotations

import inspect
import json
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susx.device import find_device
from susx.errors import ModelError, did_you_mean
from susx.images.generate.explain import explain_load_failure
from susx.store import digest_file
from susx.store.fingerprint import digest_tree
from susx.user_folder import files_below

__all__ = ["LoadedPipeline", "load_pipeline"]

log = logging.getLogger(__name__)

DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class LoadedPipeline:
    """A pipeline on its device and the identity its images carry.

    Attributes:
        pipe: the diffusers pipeline.
        model: hub id, or the folder's name.
        revision: commit of a hub model, or the first 16 digits of the sha256 of a folder's content.
        scheduler: class name of the scheduler in use.
        dtype, device: of the computation.
        compiled: whether the denoiser goes through ``torch.compile``.
    """

    pipe: Any
    model: str
    revision: str
    scheduler: str
    dtype: str
    device: str
    compiled: bool = False

    def identity(self) -> dict[str, str]:
        """What decides a picture. Device and path do not: see :mod:`susx.images.generate.exact_tiles`."""
        return {
            "model": self.model,
            "revision": self.revision,
            "scheduler": self.scheduler,
            "dtype": self.dtype,
        }


def load_pipeline(
    model: str | Path,
    *,
    revision: str | None = None,
    variant: str | None = None,
    scheduler: str | None = None,
    dtype: str = "float32",
    device: str = "auto",
    channels_last: bool = False,
    compile: bool = False,
) -> LoadedPipeline:
    """Load a model and put it on a device.

    Args:
        model: a folder written by ``save_pretrained``, or a hub id.
        revision: branch, tag or commit of a hub model.
        variant: weight files such as "fp16".
        scheduler: class name of another scheduler; it takes over the configuration of the model's own.
        dtype: float32, float16 or bfloat16.
        device: "auto" (CUDA when there is one), "cpu", "cuda", "cuda:1", "mps" ...
        channels_last: NHWC weights, faster on recent GPUs in half precision.
        compile: ``torch.compile`` the denoiser; the first image then takes minutes.

    Raises:
        ModelError: the weights cannot be found, fetched or read; a part is missing; the scheduler is unknown or does
            not fit; the device is not there.
    """
    import torch

    with warnings.catch_warnings():  # diffusers imports what uses torch.jit, which torch has deprecated
        warnings.filterwarnings("ignore", message=".*torch.jit.script", category=FutureWarning)
        from diffusers import AutoPipelineForText2Image
        from diffusers.utils.logging import disable_progress_bar
    from transformers.utils import logging as transformers_logging

    # Of the files of a pipeline, while it is loaded; the images have a bar of ours.
    disable_progress_bar()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]

    if dtype not in DTYPES:
        raise ModelError(f"dtype must be one of {', '.join(DTYPES)}; found '{dtype}'.")
    name = find_device(device)
    folder = Path(model)
    if folder.is_dir():
        check_folder(folder)
    elif isinstance(model, Path) or folder.is_absolute() or str(model).startswith("."):
        raise ModelError(f"The diffusion model folder {folder} does not exist.")
    try:
        pipe = AutoPipelineForText2Image.from_pretrained(  # type: ignore[no-untyped-call]
            str(model), revision=revision, variant=variant, torch_dtype=getattr(torch, dtype)
        )
    except (
        Exception
    ) as error:  # diffusers, transformers, huggingface_hub and safetensors each raise their own
        raise explain_load_failure(str(model), revision, error) from error
    if scheduler is not None:
        pipe.scheduler = _scheduler(scheduler, pipe.scheduler)
    try:
        pipe.to(name)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ModelError(f"The diffusion model '{model}' could not be moved to '{name}': {error}") from error
    pipe.set_progress_bar_config(disable=True)
    denoiser = "unet" if getattr(pipe, "unet", None) is not None else "transformer"
    if channels_last:
        getattr(pipe, denoiser).to(memory_format=torch.channels_last)
    if compile:
        getattr(pipe, denoiser).compile()
    shown, commit = (folder.resolve().name, _folder_digest(folder)) if folder.is_dir() else (str(model), None)
    return LoadedPipeline(
        pipe,
        shown,
        commit or _commit(pipe) or revision or "",
        type(pipe.scheduler).__name__,
        dtype,
        name,
        compile,
    )


def check_folder(folder: Path) -> None:
    """Raise ModelError unless every part that the folder's pipeline needs is there.

    A part is needed when the pipeline's constructor takes it without a default.
    """
    import diffusers

    index = folder / "model_index.json"
    if not index.is_file():
        raise ModelError(
            f"{folder} is not a diffusers pipeline: there is no model_index.json. A folder written by "
            "`pipeline.save_pretrained` was expected; a single .safetensors checkpoint has to be converted first."
        )
    try:
        listed = json.loads(index.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{index} is not JSON: {error}.") from error
    pipeline = getattr(diffusers, str(listed.get("_class_name")), None)
    if pipeline is None:
        pipelines = [name for name in dir(diffusers) if name.endswith("Pipeline")]
        raise ModelError(
            f"{index} names the pipeline {listed.get('_class_name')!r}, which diffusers "
            f"{diffusers.__version__} does not have.{did_you_mean(str(listed.get('_class_name')), pipelines)}"
        )
    optional = set(pipeline._optional_components)
    needed = [
        name
        for name, part in inspect.signature(pipeline.__init__).parameters.items()
        if part.default is inspect.Parameter.empty and name not in {"self", *optional}
    ]
    missing = [
        name
        for name in needed
        if not (isinstance(listed.get(name), list) and listed[name][0] and (folder / name).is_dir())
    ]
    if missing:
        raise ModelError(
            f"The diffusion model {folder} is incomplete: {pipeline.__name__} needs {', '.join(needed)}; missing: "
            f"{', '.join(missing)}. Copy the missing folders from the model it was made from, or save it again with "
            "`pipeline.save_pretrained`."
        )


def _scheduler(name: str, current: Any) -> Any:
    import diffusers

    schedulers = [word for word in dir(diffusers.schedulers) if word.endswith("Scheduler")]
    kind = getattr(diffusers, name, None) if name in schedulers else None
    if kind is None:
        raise ModelError(
            f"There is no scheduler '{name}' in diffusers {diffusers.__version__}.{did_you_mean(name, schedulers)}"
        )
    compatible = {other.__name__ for other in getattr(current, "compatibles", [])} | {type(current).__name__}
    if name not in compatible:
        raise ModelError(
            f"The scheduler '{name}' does not fit this model, which was saved with {type(current).__name__}. "
            f"These do: {', '.join(sorted(compatible))}."
        )
    return kind.from_config(current.config)


def _commit(pipe: Any) -> str | None:
    """The commit in a hub snapshot's path (``.../snapshots/<commit>``)."""
    parts = Path(str(getattr(pipe, "_name_or_path", "") or pipe.config.get("_name_or_path", ""))).parts
    return parts[parts.index("snapshots") + 1] if "snapshots" in parts[:-1] else None


def _folder_digest(folder: Path) -> str:
    files = files_below(folder).files
    return digest_tree({path.relative_to(folder).as_posix(): digest_file(path) for path in files})[:16]
