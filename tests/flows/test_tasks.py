"""Which failures of a task that talks to other machines are worth another try."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prefect.states import Completed, exception_to_failed_state

from susx.errors import ConfigError, DownloadError, MismatchError, ModelError, RetrievalError, SusxError
from susx.flows.tasks import _worth_a_retry

NOTHING: Any = None


@pytest.mark.untyped
@pytest.mark.parametrize(
    ("error", "again"),
    [
        (DownloadError("links"), True), (OSError("network"), True), (SusxError("other"), True),
        (RetrievalError("a service that was asked several times"), False), (ConfigError("name"), False),
        (MismatchError("width"), False), (ModelError("weights"), False), (ValueError("a fault of ours"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)  # fmt: skip
def test_failures_that_may_pass_are_tried_again(error: Exception, again: bool) -> None:
    """Downloads and broken networks may pass; what a backend asked several times, and what is wrong, does not."""
    state = asyncio.run(exception_to_failed_state(error))
    assert _worth_a_retry(NOTHING, NOTHING, state) is again
    assert not _worth_a_retry(NOTHING, NOTHING, Completed(data=1))
