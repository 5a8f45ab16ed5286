"""Weights that were trained elsewhere: a safetensors file that names the encoder it belongs to, found again by its digest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from susx.encoder_id import EncoderId
from susx.errors import ConfigError, InputError, MismatchError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["EMBEDDED", "check_encoder", "locate_weights", "name_weights", "read_weights"]

EMBEDDED = "demo"
"""Weights of the embedded world, in place of a path."""

_FOLDER = Path(__file__).parents[1] / "demo" / "trained"


def locate_weights(file: str, kind: str) -> Path:
    """Return the path of weights; ``kind`` names the embedded ones, for ``EMBEDDED``."""
    return _FOLDER / f"{kind}.safetensors" if file == EMBEDDED else Path(file).expanduser().resolve()


def name_weights(method: str, file: str, kind: str, maker: str) -> tuple[str, str]:
    """Return the absolute path of a file (``EMBEDDED`` as it is) and its sha256.

    Raises:
        ConfigError: it cannot be read; names the method, and ``maker``, what writes such files.
    """
    from susx.store.fingerprint import digest_file

    path = locate_weights(file, kind)
    try:
        return file if file == EMBEDDED else str(path), digest_file(path)
    except OSError as error:
        raise ConfigError(
            f"{method}: weights must name a file that {maker} wrote; {path} cannot be read ({error.strerror}). Correct the path."
        ) from error


def read_weights(file: Path, digest: str, title: str) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Return the tensors of a file and the record in it, {} where it has none.

    Raises:
        InputError: it is unreadable, not the one of this digest, or its record is no record.
    """
    import json

    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load

    from susx.store.fingerprint import digest_bytes

    try:
        data = file.read_bytes()
        tensors = load(data)
        with safe_open(file, "pt") as opened:
            facts = opened.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{file}: cannot be read as weights of {title} ({error}). Train again.") from error
    if digest_bytes(data) != digest:
        raise InputError(
            f"{file}: the file is not the one that was named (expected sha256 {digest[:12]}, found "
            f"{digest_bytes(data)[:12]}). Name it again without a digest."
        )
    try:
        record = json.loads(facts.get("susx", "{}"))
        if not isinstance(record, dict):
            raise ValueError(f"it is no object but {type(record).__name__}")
    except ValueError as error:
        raise InputError(f"{file}: the record in the file cannot be read ({error}). Train again.") from error
    return tensors, record


def check_encoder(what: str, trained: EncoderId, present: EncoderId) -> None:
    """Refuse weights of another encoder, as far as both are known.

    Args:
        what: the weights, in the message.
        trained, present: the encoder of the weights, and of the features at hand.

    Raises:
        MismatchError: names both.
    """
    if trained.differs_from(present):
        raise MismatchError(
            f"{what}: trained with the encoder {trained}, and these features come from {present}. Use weights trained with the "
            "encoder of these features."
        )
