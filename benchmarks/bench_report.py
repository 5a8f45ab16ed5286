"""What a report costs: seconds to write one of 100 classes x 16 images, its size, and how fast a browser loads it.

Goals: written in 10 s, at most 15 MB, loaded in 2 s.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from susx.report import write_report
from susx.report.sample import sample_report


def run(quick: bool) -> dict[str, Any]:
    """Return seconds, megabytes and load times; ``quick`` takes 20 classes and skips the browser.

    The images are 256 px on a side, so that thumbnails are really made; their drawing is not timed.
    """
    classes = 20 if quick else 100
    data = sample_report(classes=classes, per_class=16, side=96 if quick else 256)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        page = write_report(data, Path(folder))
        seconds = time.perf_counter() - started
        found: dict[str, Any] = {
            "classes": classes,
            "pictures": len(data.support),
            "write_s": round(seconds, 2),
            "html_mb": round(page.stat().st_size / 1e6, 2),
        }
        if not quick:
            found |= _load(page)
    goals = {"write_s": "<= 10", "html_mb": "<= 15", "load_s": "<= 2"}
    rows = [{"what": name, "measured": value, "goal": goals.get(name, "")} for name, value in found.items()]
    return {**found, "tables": [{"title": "Report", "rows": rows}]}


def _load(page: Path) -> dict[str, Any]:
    """Measure the load event and the first figure in headless Chromium, the median of five fresh contexts."""
    executable = shutil.which("chromium")
    if executable is None:
        return {"load_s": None, "why": "no chromium on the path"}
    from playwright.sync_api import sync_playwright

    loads, figures = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
        )
        for _ in range(5):
            tab = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            tab.goto(page.as_uri())
            loads.append(tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000)
            tab.locator(".plot").first.scroll_into_view_if_needed()
            tab.wait_for_selector(".plot[data-drawn]")
            figures.append(tab.evaluate("performance.now()") / 1000)
            tab.context.close()
        browser.close()
    return {"load_s": round(sorted(loads)[2], 2), "first_figure_s": round(sorted(figures)[2], 2)}
