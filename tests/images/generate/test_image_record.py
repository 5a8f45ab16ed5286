"""Provenance in the image files."""

from __future__ import annotations

import json

from PIL import Image

from susx.images.generate import DrawSettings, draw, plan_requests


def test_the_png_says_how_it_was_made(painter, tmp_path):
    """Class, prompt, seed, model, revision, scheduler, steps, guidance and size are text chunks."""
    settings = DrawSettings(steps=2, guidance=2.5, negative_prompt="blurry")
    (row,) = draw(
        painter, plan_requests("woven", ["woven texture."], 1, root_seed=7), tmp_path, settings=settings
    )
    with Image.open(tmp_path / row.file) as image:
        text = dict(image.text)
    facts = json.loads(text.pop("susx"))
    assert text == {
        "Class": "woven", "Prompt": "woven texture.", "Negative prompt": "blurry", "Seed": str(row.seed),
        "Model": "random", "Revision": painter.revision, "Scheduler": "DDIMScheduler", "Steps": "2",
        "Guidance": "2.5", "Size": "16x16", "Software": "susx",
    }  # fmt: skip
    assert facts["request"]["root_seed"] == 7
    assert facts["attempts"] == 1


def test_a_damaged_rejection_record_is_drawn_again(painter, quick, tmp_path):
    """A rejection that cannot be read counts as missing."""
    requests = plan_requests("woven", ["woven"], 1)
    rows = draw(painter, requests, tmp_path, settings=quick)
    (tmp_path / rows[0].file.replace(".png", ".rejected.json")).write_text("{")
    assert draw(painter, requests, tmp_path, settings=quick) == rows
