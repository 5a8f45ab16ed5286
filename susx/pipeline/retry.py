"""Trying links and sources again that failed for a reason that may pass; an unchanged build would keep its account of them."""

from __future__ import annotations

from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.executors import PlanExecutor
from susx.pipeline.graph import build
from susx.pipeline.images import read_image_rows
from susx.pipeline.stage import lookup
from susx.store import ArtefactStore

LEFT_OUT = " left out"
"""Ends the count of a source that could not be used when a class was searched."""

__all__ = ["LEFT_OUT", "forget_passing_failures"]


def forget_passing_failures(plan: BuildPlan, store: ArtefactStore) -> int:
    """Make ``download`` stale, and ``fetch`` of the classes that lost images to timeouts, rate limits and the like.

    Images that were fetched are not fetched again, and links that failed for good are not asked again.

    Returns:
        Number of links that will be tried again.
    """
    from susx.images.retrieve import TRANSIENT

    walk = PlanExecutor(store)
    build(plan, walk)
    fresh = [entry.job for entry in walk.planned if entry.state == "fresh"]
    links: set[str] = set()
    for job in fresh:
        if job.stage == "search" and (done := lookup(job, store)) is not None:
            if any(reason.endswith(LEFT_OUT) for reason in done.counts):
                with store.lock(job):
                    store.salvage(job)
            continue
        if job.stage == "fetch" and (done := lookup(job, store)) is not None:
            lost = {
                row.url for row in read_image_rows(store, done.ref) if row.url and row.rejected in TRANSIENT
            }
            if lost:
                links |= lost
                with store.lock(job):
                    store.salvage(job)
    if links:
        for job in fresh:
            if job.stage == "download":
                with store.lock(job):
                    store.salvage(job)
    return len(links)
