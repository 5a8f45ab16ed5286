"""What is to be drawn: one request per image, its derived seeds, and the digest that names its file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from susx.errors import GenerationError
from susx.seeds import derive_seed
from susx.types import Digest

__all__ = ["DrawSettings", "ImageRequest", "plan_requests", "request_digest"]


@dataclass(frozen=True)
class ImageRequest:
    """One image of one class.

    Attributes:
        class_name: any text; it never becomes part of a path.
        prompt: the sentence to draw.
        index: place among the images of the class, from 0.
        root_seed: root of the derived seeds.
    """

    class_name: str
    prompt: str
    index: int
    root_seed: int = 0

    def seed(self, attempt: int = 0) -> int:
        """Seed of the first drawing (attempt 0) or of a redrawing, in [0, 2**63)."""
        parts: tuple[str | int, ...] = (self.class_name, self.prompt, self.index)
        return derive_seed(self.root_seed, *parts, *((attempt,) if attempt else ()))


@dataclass(frozen=True)
class DrawSettings:
    """How images are drawn: everything besides request and model that changes the picture.

    Attributes:
        steps: denoising steps.
        guidance: classifier-free guidance scale; 0 or 1 turns it off.
        width, height: pixels; the model's own when None.
        negative_prompt: what to keep away from.
        max_redraws: how often a black or indistinct image is drawn again, with another seed, before it is rejected.
    """

    steps: int = 85
    guidance: float = 9.5
    width: int | None = None
    height: int | None = None
    negative_prompt: str | None = None
    max_redraws: int = 3

    def __post_init__(self) -> None:
        if self.steps < 1 or self.max_redraws < 0 or self.guidance < 0:
            raise GenerationError(
                "Drawing needs at least 1 step, a guidance of 0 or more and 0 or more redraws; found "
                f"steps={self.steps}, guidance={self.guidance}, max_redraws={self.max_redraws}."
            )


def plan_requests(
    class_name: str, prompts: Sequence[str], count: int, root_seed: int = 0, start: int = 0
) -> tuple[ImageRequest, ...]:
    """Share ``count`` images of a class evenly over its sentences (as SuS-X's CuPL variant does with its ten).

    Image ``i`` is drawn with sentence ``i mod len(prompts)``, so a plan for 50 images begins with the plan for 25.

    Raises:
        GenerationError: no sentence, or a count below 1.
    """
    if not prompts or count < 1:
        raise GenerationError(
            f"To draw images of '{class_name}' at least one sentence and one image are needed; found "
            f"{len(prompts)} sentences and {count} images."
        )
    return tuple(
        ImageRequest(class_name, prompts[index % len(prompts)], index, root_seed)
        for index in range(start, start + count)
    )


def request_digest(
    request: ImageRequest, settings: DrawSettings, model: dict[str, str], judge: str
) -> Digest:
    """sha256 of all that decides the picture: request, settings, model identity and the judge of distinctness."""
    content = [dataclasses.asdict(request), dataclasses.asdict(settings), model, judge]
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
