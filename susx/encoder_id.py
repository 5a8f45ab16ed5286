"""What tells an encoder from another: features of two are never compared, whoever made them and wherever they were kept."""

from __future__ import annotations

from dataclasses import dataclass

from susx.types import Json

__all__ = ["EncoderId"]


@dataclass(frozen=True)
class EncoderId:
    """An encoder, without where its weights lie.

    Attributes:
        model: open_clip architecture name, ``hf-hub:`` id, ``blip`` or ``tcl``; "" where unknown.
        digest: sha256 over architecture and weights; "" where unknown.
        precision: fp32, fp16 or bf16.
    """

    model: str = ""
    digest: str = ""
    precision: str = "fp32"

    def differs_from(self, other: EncoderId) -> bool:
        """Whether they are known to be two: by digests, or by names where no digest is known on either side."""
        if self.digest or other.digest:
            return bool(self.digest and other.digest) and self.digest != other.digest
        return bool(self.model and other.model) and _plain(self.model) != _plain(other.model)

    def as_json(self) -> dict[str, Json]:
        """Return it as the key of a stage and a file hold it."""
        return {"model": self.model, "digest": self.digest, "precision": self.precision}

    def __str__(self) -> str:
        return f"{self.model or 'an encoder'} {self.digest[:12]}".strip()


def _plain(name: str) -> str:
    """Return a name without what spellings differ in: ViT-B/32 and vit_b_32 are one."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())
