"""Draws two classes and writes their table: ``python draw_job.py MODEL OUT TABLE`` (killed and rerun by a test)."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from susx.images.generate import DrawSettings, draw, load_pipeline, plan_requests


def main(model: Path, out: Path, table: Path) -> None:
    """Draw 24 images, two at a time."""
    requests = [
        r for name in ("woven", "polka-dotted") for r in plan_requests(name, [f"{name} texture."], 12)
    ]
    settings = DrawSettings(steps=8, guidance=3.0)
    drawn = draw(load_pipeline(model, device="cpu"), requests, out, settings=settings, batch_size=2)
    table.write_text(json.dumps([dataclasses.asdict(row) for row in drawn], indent=1))


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:]))
