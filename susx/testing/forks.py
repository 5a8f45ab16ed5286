"""Processes that begin with the libraries imported, but nothing run: killing one costs no start-up."""

from __future__ import annotations

import multiprocessing

__all__ = ["FORKS"]

FORKS = multiprocessing.get_context("forkserver")
"""One server a process that asks; what it preloads is decided here alone, as the last to say so would decide it for all."""

FORKS.set_forkserver_preload(
    ["torch", "open_clip", "diffusers", "faiss", "pandas", "susx.testing.world", "susx.report", "susx.tuning"]
)
