"""Typed parameters of a job: what changes its result (in the key), and what only says how the work is done."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from susx.config import EncoderConfig
from susx.encoder_id import EncoderId
from susx.store import Job
from susx.types import Json

__all__ = ["AdaptedEncoding", "Encoding", "Execution", "KnownEncoding", "Params"]


V = TypeVar("V", bound="_Values")


class _Values(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def as_json(self) -> dict[str, Json]:
        """Return the values as a job holds them."""
        return self.model_dump(mode="json")


class Params(_Values):
    """What changes the result of a stage besides its inputs; every field is an ingredient of the key."""

    @classmethod
    def of(cls: type[V], job: Job) -> V:
        """Read a job's parameters."""
        return cls.model_validate(job.params)


class Execution(_Values):
    """Devices, paths and the like: how a stage does its work. Not in the key."""

    @classmethod
    def of(cls: type[V], job: Job) -> V:
        """Read how a job is to be done."""
        return cls.model_validate(job.execution)


class Encoding(Execution):
    """How images or texts are encoded: device, batch size, where the weights are."""

    encoder: EncoderConfig


class KnownEncoding(Encoding):
    """How images or texts are encoded by a stage whose inputs say by which encoder; its key need not."""

    identity: EncoderId
    """Of the weights that the inputs were made with."""


class AdaptedEncoding(Encoding):
    """How images are encoded, and where the adapters are that some methods ask for."""

    adapters: str = ""
