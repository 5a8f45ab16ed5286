"""What a profile takes that names no source: a published Lance data set where it can be reached, else the public sources after it.

A source that cannot be used here, because its library is not installed or nothing answers, is left out with a word of warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from susx.errors import ConfigError, RetrievalError, SusxError
from susx.images.retrieve.backends.chain import ChainSettings

__all__ = ["LAION_1M", "AutoSettings"]

LAION_1M = "hf://datasets/lance-format/laion-1m/data/train.lance"
"""A million rows of LAION with image bytes, captions and 768-wide CLIP vectors under an IVF_PQ index (docs.lancedb.com/datasets/laion-1m)."""


class AutoSettings(ChainSettings):
    """The first of several sources that can be used."""

    passed_over: ClassVar[tuple[type[SusxError], ...]] = (RetrievalError, ConfigError)
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {"lance": {"data": LAION_1M}}

    backend: Literal["auto"] = "auto"
    sources: tuple[str, ...] = ("lance", "openverse")
    """Their names, the first one first. The data set of ``lance`` is LAION's million on the Hub where ``retrieval.lance.data`` names no other."""
