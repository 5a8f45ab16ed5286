"""Images drawn by a text-to-image diffusion model, through diffusers."""

from susx.images.generate.checks import Distinctness
from susx.images.generate.draw import draw
from susx.images.generate.drawn_rows import support_row
from susx.images.generate.image_record import DrawnImage
from susx.images.generate.pipeline import LoadedPipeline, load_pipeline
from susx.images.generate.requests import DrawSettings, ImageRequest, plan_requests

__all__ = [
    "Distinctness",
    "DrawSettings",
    "DrawnImage",
    "ImageRequest",
    "LoadedPipeline",
    "draw",
    "load_pipeline",
    "plan_requests",
    "support_row",
]
