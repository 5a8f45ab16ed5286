"""What the service takes and gives, as its OpenAPI page describes it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

__all__ = [
    "BODY",
    "FORM",
    "REFUSALS",
    "Answer",
    "Answers",
    "Health",
    "NearImage",
    "ScoredClass",
    "Unreadable",
]


class ScoredClass(BaseModel):
    """A class and its probability."""

    class_name: str
    probability: float
    match: float | None = None
    """Of encoders trained with a sigmoid loss: the probability that the class's sentences fit the image at all."""


class NearImage(BaseModel):
    """A support image that explains the answer."""

    class_name: str
    similarity: float
    file: str
    origin: str
    prompt: str
    url: str | None = None
    path: str | None = None
    """Folder and name of the original, of an image of one's own."""
    original_digest: str | None = None
    """Sha256 of the bytes that the image was decoded from."""


class Answer(BaseModel):
    """The classes of an image, best first, and the nearest support images."""

    image: str
    class_name: str
    probability: float
    top: list[ScoredClass]
    nearest: list[NearImage]
    none_of_these: bool | None = None
    """Whether the image is none of the classes, at the share of outsiders that the service was started with (``--reject``)."""
    is_zero_shot: bool
    """Whether the support images have no say."""
    support_trust: float | None = None
    """How far the images of this class, chosen from a pool, are trusted, 0 to 1; nothing where the method says nothing of them."""
    calibrated_on: str
    """The labelled images that the probabilities are calibrated on; empty where they are not calibrated."""
    calibration_images: int
    """How many of them there were; too few calibrate nothing."""
    toy: bool
    """Whether the encoder is the embedded one, whose answers mean nothing."""
    warning: str | None = None
    """Why the answer may not be believed, and what to do about it."""


class Unreadable(BaseModel):
    """An image that cannot be classified, and why."""

    image: str
    error: str


class Answers(BaseModel):
    """One entry an image, in their order."""

    images: list[Answer | Unreadable]


class Health(BaseModel):
    """What is served. ``calibrated_on`` is empty where the probabilities are not calibrated, whatever ``calibration_images`` there were."""

    status: str
    version: str
    packaged: str
    """One sentence: the method, and whether the support images have a say."""
    method: str
    is_zero_shot: bool
    hyper_parameters: dict[str, Any]
    tuning: str
    calibrated_on: str
    calibration_images: int
    toy: bool
    encoder: str
    classes: int
    notes: list[str]


_BINARY = {"schema": {"type": "string", "format": "binary"}}

BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": _BINARY,
            "application/octet-stream": _BINARY,
            "application/x-www-form-urlencoded": _BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": _BINARY["schema"]},
                }
            },
        },
    }
}

FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": {"type": "array", "items": _BINARY["schema"]}},
                }
            }
        },
    }
}

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "Not an image that can be decoded"},
    408: {"description": "The body did not arrive in time"},
    413: {"description": "Too many bytes or pixels"},
    503: {
        "description": "Too many images wait, or the answer took too long; Retry-After says when to ask again"
    },
}
