"""What the service takes and gives, as its OpenAPI page describes it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

__all__ = ["BODY", "REFUSALS", "Answer", "Health", "NearImage", "ScoredClass"]


class ScoredClass(BaseModel):
    """A class and its calibrated probability."""

    class_name: str
    probability: float


class NearImage(BaseModel):
    """A support image that explains the answer."""

    class_name: str
    similarity: float
    file: str
    origin: str
    prompt: str
    url: str | None = None


class Answer(BaseModel):
    """The classes of an image, best first, and the nearest support images."""

    image: str
    class_name: str
    probability: float
    top: list[ScoredClass]
    nearest: list[NearImage]


class Health(BaseModel):
    """What is served."""

    status: str
    version: str
    method: str
    encoder: str
    classes: int


BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "Not an image that can be decoded"},
    408: {"description": "The body did not arrive in time"},
    413: {"description": "Too many bytes or pixels"},
    415: {"description": "Another content type"},
    503: {"description": "Too many images wait, or the answer took too long"},
}
