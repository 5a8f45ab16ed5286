"""Tensor files of other projects: read without running anything they contain."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from susx.errors import InputError, MismatchError
from susx.methods.unit_rows import checked_unit_rows
from susx.text_file import read_lines

__all__ = ["class_names_of", "labels_of", "load_tensor", "text_rows"]

_log = logging.getLogger(__name__)


def load_tensor(file: Path) -> Tensor:
    """Return the tensor of a .pt or .npy file, on the CPU wherever it was saved from.

    Only plain tensors are read (``weights_only``, npy without pickle): such files come from strangers.

    Raises:
        InputError: no such file, no tensor in it, or anything but a tensor.
    """
    try:
        if file.suffix == ".npy":
            return torch.from_numpy(np.ascontiguousarray(np.load(file, allow_pickle=False)))
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file.") from error
    except Exception as error:  # unpicklers and numpy's parser of headers raise what they like
        reason = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise InputError(
            f"{file}: expected a file with one plain tensor, found something that is damaged or would run code when "
            f"loaded ({reason}). Save the tensor alone."
        ) from error
    if not isinstance(loaded, Tensor) or loaded.layout != torch.strided or loaded.is_quantized:
        raise InputError(
            f"{file}: expected one tensor, found {type(loaded).__name__}. Save the tensor alone."
        )
    # A stride of 0 makes a few bytes a tensor of any size.
    if loaded.numel() * loaded.element_size() > loaded.untyped_storage().nbytes():
        raise InputError(
            f"{file}: its tensor of shape {tuple(loaded.shape)} is larger than the file. Save it again."
        )
    return loaded.detach()


def labels_of(values: Tensor, classes: int, file: Path) -> Tensor:
    """Return one class id per row, from class ids or a one-hot matrix of any number type.

    Raises:
        InputError: a row of the matrix does not name exactly one class, or labels are no integers.
        MismatchError: the matrix has more columns than there are classes.
    """
    if values.ndim == 2 and values.shape[1] == 1 and classes > 1:
        values = values[:, 0]  # a column of class ids, as scikit-learn and MATLAB write it
    if values.ndim == 2:
        if values.shape[1] > classes:
            raise MismatchError(
                f"{file}: one-hot labels for {values.shape[1]} classes, and the text classifier has {classes} rows."
            )
        numbers = values.float()
        bad = ((numbers != 0).sum(dim=1) != 1).nonzero().flatten()
        if len(bad):
            raise InputError(f"{file}: {len(bad)} rows are not one-hot (first: row {int(bad[0])}).")
        return numbers.argmax(dim=1)
    if values.is_floating_point():
        if not bool((values == values.round()).all()):
            raise InputError(
                f"{file}: labels must be whole numbers, found {values.dtype} with fractions or NaN."
            )
        return values.long()
    return values


def text_rows(
    values: Tensor, file: Path, *, width: int | None, classes: int | None
) -> Float[Tensor, "classes dim"]:
    """Return class prompts as rows, turning a (dim, classes) matrix as the published scripts save it.

    Args:
        values: the matrix.
        file: for messages.
        width: width of the image features, which tells rows from columns; None takes ``classes`` instead.
        classes: number of class names, or None.

    Raises:
        MismatchError: neither side is the width of the images.
    """
    sides = tuple(values.shape)
    if len(sides) == 2 and (sides[1] == width or (width is None and classes in (None, sides[0]))):
        # A square matrix could be either; the class names' layout (rows) wins, as both sides fit.
        return checked_unit_rows(values, str(file))
    if len(sides) == 2 and (sides[0] == width or (width is None and classes == sides[1])):
        return checked_unit_rows(values.T.contiguous(), str(file))
    raise MismatchError(
        f"{file}: text classifier of shape {sides}, and neither side is the width of the image features ({width}). "
        "Encode prompts and images with the same model."
    )


def class_names_of(folder: Path) -> tuple[str, ...]:
    """Return the lines of ``classnames.txt``, or nothing where there is none.

    Raises:
        InputError: it is no text.
    """
    file = folder / "classnames.txt"
    if not file.exists():
        return ()
    return tuple(line for line in read_lines(file, InputError) if line)
