"""How recognisable the embedded diffusion model's pictures are, by the embedded CLIP: nearest class mean.

``python benchmarks/embedded_models/measure_diffusion.py [--model DIR] [--sheet docs/images/generated.png]`` draws
some pictures of each category with the prompt "{} texture.", and gives each to the category whose real "web" textures
(split ``pool``) have the nearest mean embedding. Real pictures are classified the same way, as the ceiling.
"""

# mypy: disable-error-code="no-untyped-call, no-any-return"
# diffusers, transformers and parts of torch are not annotated.

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import open_clip
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from susx.demo.diffusion_model import FOLDER
from susx.demo.embedded_encoder import register
from susx.demo.textures import CATEGORIES, render
from susx.images.generate import DrawSettings, draw, load_pipeline, plan_requests

Pictures = dict[str, list[Image.Image]]


def generated(
    model: Path, per_category: int, settings: DrawSettings, batch_size: int, seed: int = 0
) -> Pictures:
    """Pictures of every category, drawn by a pipeline folder."""
    requests = [r for c in CATEGORIES for r in plan_requests(c, [f"{c} texture."], per_category, seed)]
    pictures: Pictures = {category: [] for category in CATEGORIES}
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_pipeline(model)
        for row in draw(loaded, requests, Path(folder), settings=settings, batch_size=batch_size):
            with Image.open(Path(folder) / row.file) as image:
                pictures[row.request.class_name].append(image.convert("RGB"))
    return pictures


def real(per_category: int, start: int = 0) -> Pictures:
    """Real "web" pictures, from the split that the diffusion model has not seen."""
    return {
        c: [Image.fromarray(render(c, "web", "pool", start + n)) for n in range(per_category)]
        for c in CATEGORIES
    }


def nearest_class_mean(reference: Pictures, pictures: Pictures) -> dict[str, float]:
    """Share of each category's pictures whose nearest class mean (cosine) is their own."""
    name, weights = register()
    model, _, preprocess = open_clip.create_model_and_transforms(name, pretrained=weights)
    model.eval()

    @torch.no_grad()
    def embed(images: Sequence[Image.Image]) -> Float[Tensor, "images dim"]:
        return model.encode_image(torch.stack([preprocess(image) for image in images]), normalize=True)

    means = torch.stack([embed(images).mean(0) for images in reference.values()])
    means = torch.nn.functional.normalize(means, dim=1)
    names = list(reference)
    return {
        name: float(((embed(images) @ means.T).argmax(1) == names.index(name)).float().mean())
        for name, images in pictures.items()
    }


def sheet(pictures: Pictures, per_category: int = 4, columns: int = 6, tile: int = 48) -> Image.Image:
    """All categories with their names, ``per_category`` pictures each."""
    width, height = per_category * tile + 6, tile + 14
    page = Image.new("RGB", (columns * width, -(-len(pictures) // columns) * height), "white")
    pen = ImageDraw.Draw(page)
    for place, (name, images) in enumerate(pictures.items()):
        row, column = divmod(place, columns)
        pen.text((column * width + 1, row * height), name, fill="black")
        for n, image in enumerate(images[:per_category]):
            small = image.resize((tile - 1, tile - 1), Image.Resampling.LANCZOS)
            page.paste(small, (column * width + n * tile, row * height + 12))
    return page


def main() -> None:
    """Command line: prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=FOLDER)
    parser.add_argument("--per-category", type=int, default=10)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--sheet", type=Path)
    args = parser.parse_args()
    started = time.monotonic()
    settings = DrawSettings(steps=args.steps, guidance=args.guidance)
    drawn = generated(args.model, args.per_category, settings, args.batch_size)
    seconds = time.monotonic() - started
    reference = real(40)
    own, ceiling = nearest_class_mean(reference, drawn), nearest_class_mean(reference, real(10, start=1000))
    if args.sheet:
        sheet(drawn).convert("P", palette=Image.Palette.ADAPTIVE, colors=128).save(args.sheet, optimize=True)
    found = {
        "generated_percent": 100 * float(np.mean(list(own.values()))),
        "real_percent": 100 * float(np.mean(list(ceiling.values()))),
        "seconds_to_draw": seconds,
        "images": sum(map(len, drawn.values())),
        "by_category": own,
    }
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
