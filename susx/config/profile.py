"""What a run uses: encoder, prompts, image source, curation, methods. One YAML per profile."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
)

from susx.config.dataset import check_identifier
from susx.config.ingredients import Identified, NotInKey

__all__ = [
    "CurationConfig",
    "DownloadConfig",
    "EncoderConfig",
    "GenerationConfig",
    "LanguageModelConfig",
    "ProfileConfig",
    "PromptsConfig",
    "RetrievalConfig",
]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EncoderConfig(_Strict):
    """An open_clip model. Two configurations with the same weights and precision give the same features."""

    model: str
    """open_clip architecture, ``hf-hub:...``, ``blip`` (transformers' retrieval model), ``tcl``, or ``susx-tiny`` (embedded)."""
    pretrained: str = ""
    """open_clip tag or path of a checkpoint, folder of a BLIP; empty for ``hf-hub:`` and the embedded model."""
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    device: Annotated[str, NotInKey()] = "auto"
    batch_size: Annotated[PositiveInt, NotInKey()] = 64
    workers: Annotated[NonNegativeInt, NotInKey()] = 0


class LanguageModelConfig(_Strict):
    """Writes CuPL sentences. The key is read from the environment, never from a file."""

    backend: Literal["openai", "transformers"] = "openai"
    base_url: str | None = None
    model: str = ""
    temperature: NonNegativeFloat = 0.99
    sentences: PositiveInt = 10
    """Asked for per question and class."""
    timeout: Annotated[PositiveFloat, NotInKey()] = 60.0
    attempts: Annotated[PositiveInt, NotInKey()] = 4
    """Requests per question, counting those that fail and those whose answer cannot be used."""
    workers: Annotated[PositiveInt, NotInKey()] = 4
    """Classes asked about at the same time (backend openai)."""


class PromptsConfig(_Strict):
    """Which sentences stand for a class."""

    images: Literal["photo", "cupl"] = "photo"
    """Sentences that images are drawn or searched with."""
    classify: Literal["single", "ensemble", "ensemble80", "cupl", "cupl+ensemble", "visdesc", "waffle"] = (
        "ensemble"
    )
    """Sentences whose mean is the text classifier."""
    sentences: PositiveInt = 10
    """At most this many sentences of a class share its image budget."""
    language_model: LanguageModelConfig | None = None


OVER_FETCH = 3.0
"""Candidates for every image wanted. On the swapped cells of the study of support in / out: 1 gives 59.1 / 56.7, 1.5 59.2 / 56.8, 3 60.1 / 56.8,
5 60.3 / 56.8, the whole pool 60.3 / 56.7."""


class RetrievalConfig(BaseModel):
    """Where images come from in ``--mode retrieve``. All other keys are those of the backend's own file, which checks them."""

    model_config = ConfigDict(frozen=True, extra="allow")

    backend: str = "demo"
    """A file in ``susx/images/retrieve/backends/``: auto, demo, index, openverse and more (``susx sources``)."""
    over_fetch: PositiveFloat = OVER_FETCH
    """Candidates asked for per image wanted; dead links and duplicates take their share, and the best of the rest are kept."""


class DownloadConfig(_Strict):
    """How images are fetched from URLs."""

    allow_private: bool = False
    """Whether addresses in loopback and private ranges may be fetched."""
    allow_hosts: tuple[str, ...] = ()
    """``host:port`` of servers in those ranges that may be fetched all the same."""
    image_size: PositiveInt = 256
    timeout: Annotated[PositiveFloat, NotInKey()] = 10.0
    retries: Annotated[NonNegativeInt, NotInKey()] = 1
    processes: Annotated[PositiveInt, NotInKey()] = 1
    threads: Annotated[PositiveInt, NotInKey()] = 16
    max_bytes: PositiveInt = 20_000_000
    max_pixels: PositiveInt = 50_000_000
    max_failure_rate: Annotated[float, NotInKey()] = Field(0.9, gt=0, le=1)
    """Stop when more than this share of at least ``min_attempts`` links fails."""
    min_attempts: Annotated[PositiveInt, NotInKey()] = 50
    respect_opt_out: bool = True


class CurationConfig(_Strict):
    """Which candidates become support images. Every rule that rejects is a counted reason."""

    min_side: PositiveInt = 32
    phash_distance: NonNegativeInt = 4
    """Images at most this many of 64 bits apart are near-duplicates (with the embedding rule)."""
    duplicate_rule: Literal["both", "either", "hash", "embedding"] = "both"
    """Which of the two measures make a near-duplicate; an image that lacks one is judged by the other."""
    duplicate_cosine: float = Field(0.985, gt=0, le=1)
    """Images at least this similar in the encoder's space are near-duplicates (with the hash rule)."""
    contamination: bool = True
    """Reject near-duplicates of target val/test images where those are present."""
    max_nsfw: float = Field(0.5, ge=0, le=1)
    min_similarity: float | None = None
    """Reject images whose cosine to their class's text is below; off when None."""
    clip_safety: bool = False
    """Also judge by the encoder itself: reject where sentences of nudity and gore fit better than max_nsfw allows."""
    balance: Literal["none", "truncate"] = "none"
    """truncate: every class keeps as many images as the poorest class has."""


class GenerationConfig(_Strict):
    """Text-to-image diffusion in ``--mode generate``. Sizes in pixels."""

    model: Annotated[str, Identified()] = "demo"
    """``demo`` (embedded), a hub id or a path of a diffusers folder."""
    revision: Annotated[str | None, Identified()] = None
    variant: Annotated[str | None, Identified()] = None
    scheduler: str | None = None
    """Name of a diffusers scheduler class; the model's own when None."""
    steps: PositiveInt = 85
    guidance: NonNegativeFloat = 9.5
    width: PositiveInt | None = None
    height: PositiveInt | None = None
    negative_prompt: str | None = None
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    device: Annotated[str, NotInKey()] = "auto"
    batch_size: Annotated[PositiveInt, NotInKey()] = 8
    channels_last: Annotated[bool, NotInKey()] = False
    compile: Annotated[bool, NotInKey()] = False
    exact: bool = True
    """In float32 without compilation: the same bytes for any batch size, at some cost on small models."""
    max_redraws: NonNegativeInt = 3
    distinctness_margin: float | None = None
    """Redraw when the similarity to another class's prompt exceeds its own by this; off when None."""


class ProfileConfig(_Strict):
    """Everything a run needs besides the data set."""

    name: str
    title: str = ""
    toy: bool = False
    """Whether the models are the embedded toys; the banner and the report say so."""
    encoder: EncoderConfig
    prompts: PromptsConfig = PromptsConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    download: DownloadConfig = DownloadConfig()
    curation: CurationConfig = CurationConfig()
    generation: GenerationConfig = GenerationConfig()
    reference_pool: bool = False
    """In ``--mode generate``: read the pool of ``retrieval`` (index, features or demo) all the same, for the methods that need one's
    statistics. No image is taken from it."""
    methods: dict[str, dict[str, Any]] = {}
    """Method -> its hyper-parameters under ``fixed``; the method itself checks them. Empty: the registry's defaults. The
    reference (zero-shot) is always fitted."""
    tuning: tuple[Literal["fixed", "support", "val"], ...] = ("fixed", "support", "val")
    """Protocols that every method with something to choose is fitted under."""
    headline: str = ""
    """``method/tuning`` (or a method) that is packaged and shown first; by default the last method listed."""
    per_class: PositiveInt = 16
    seed: NonNegativeInt = 0

    _name = field_validator("name")(check_identifier)
