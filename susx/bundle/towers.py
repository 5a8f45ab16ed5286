"""The towers of an encoder and the head of a method as ONNX graphs: torch's own export, with a free number of rows."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from susx.errors import ConfigError

__all__ = ["BESIDE", "OPSET", "ImageTower", "TextTower", "plain_model", "write_graph"]

OPSET = 18
"""Understood by onnxruntime since 1.14."""

BESIDE = 32_000_000
"""Bytes from which the weights lie in a file beside the graph. onnxruntime maps that file into memory: a ViT-B/32 (352 MB) opens in 0.1 s of
processor time and not in 0.75, where nothing is packed anew. Beyond 2 GiB one protobuf could not hold them."""


class ImageTower(nn.Module):
    """Pixels to unit rows."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        """Return ``[batch dim]`` unit rows of ``[batch 3 height width]`` pixels."""
        return nn.functional.normalize(self.model.encode_image(pixels).float(), dim=-1)


class TextTower(nn.Module):
    """Tokens to unit rows."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        """Return ``[batch dim]`` unit rows of ``[batch context]`` tokens."""
        return nn.functional.normalize(self.model.encode_text(tokens).float(), dim=-1)


def plain_model(model: Any) -> Any:
    """Return the model in single precision on the CPU, branches that exist for training alone merged (MobileCLIP); a copy where that changes it."""
    import copy

    plain = copy.deepcopy(model).cpu().float().eval()
    if any(hasattr(part, "reparameterize") for part in plain.modules()):
        from timm.utils.model import reparameterize_model

        plain = reparameterize_model(plain)
    return plain


def write_graph(
    module: nn.Module,
    example: Sequence[Tensor],
    names: Sequence[str],
    outputs: Sequence[str],
    path: Path,
    what: str,
) -> None:
    """Export a module whose inputs' first dimension is free.

    Args:
        module: to export.
        example: inputs with two rows each; one row would fix the number.
        names, outputs: of inputs and outputs.
        path: the file; weights of more than ``BESIDE`` bytes go to ``<file>.data`` beside it.
        what: for the refusal, as "the image tower of ViT-B-32".

    Raises:
        ConfigError: torch cannot export it; nothing is written.
    """
    import onnx

    batch = torch.export.Dim("batch")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the exporter warns of its own internals
            program = torch.onnx.export(
                module.eval(), tuple(example), input_names=list(names), output_names=list(outputs), opset_version=OPSET,
                dynamic_shapes=tuple({0: batch} for _ in names), dynamo=True, verbose=False,
            )  # fmt: skip
        assert program is not None
        model = program.model_proto
    except Exception as error:  # torch's exporter raises what it likes
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"torch cannot export {what} as ONNX ({type(error).__name__}: {reason}). Use susx predict and susx serve with --classifier "
            "for it."
        ) from error
    if model.ByteSize() > BESIDE:
        onnx.save(
            model, str(path), save_as_external_data=True, location=f"{path.name}.data", size_threshold=1024
        )
    else:
        onnx.checker.check_model(model)
        onnx.save(model, str(path))
