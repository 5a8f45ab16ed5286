"""How many task runs may use the accelerator at once, where a Prefect server looks after several runs.

Each task run holds its slot by a lease that it renews and that expires a minute after it died. A server keeps leases
in memory: started again it has slots that are taken and leases that are gone, and nothing of Prefect frees those.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from uuid import UUID

import httpx

from susx.flows.connection import shared_server_url
from susx.flows.tasks import DEVICE_TAG

__all__ = ["ensure_device_limit", "free_orphaned_slots", "waiting_for_device"]

logger = logging.getLogger(__name__)

LIMIT = f"tag:{DEVICE_TAG}"

_MOMENT = 1.0
"""Seconds between two looks at a slot without a lease: a server takes the slot first and writes the lease then."""


def ensure_device_limit(slots: int = 1) -> None:
    """Create the concurrency limit of the device tag on the configured server, unless there is one.

    A limit that exists is left as it is: whoever runs the server knows how many devices there are. Without a
    configured server nothing is done, since runs on temporary servers do not see each other.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
    from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectHTTPStatusError

    if shared_server_url() is None:
        return
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(LIMIT)
        except ObjectNotFound:
            try:
                client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=LIMIT, limit=slots))
            except (ObjectAlreadyExists, PrefectHTTPStatusError) as error:
                # Two first runs at once: the other one made it.
                logger.debug("the limit %s was not made: %s", LIMIT, error)
    free_orphaned_slots()


def free_orphaned_slots() -> int:
    """Free the slots that nobody holds a lease on; return how many there were."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate

    taken, holders = _slots()
    if taken <= len(holders):
        return 0
    time.sleep(_MOMENT)
    taken, holders = _slots()
    if taken <= len(holders):
        return 0
    with get_client(sync_client=True) as client:
        client.update_global_concurrency_limit(LIMIT, GlobalConcurrencyLimitUpdate(active_slots=len(holders)))
    logger.warning("%d slots of %s were taken by no run and were freed", taken - len(holders), LIMIT)
    return taken - len(holders)


def waiting_for_device(task_runs: Collection[UUID]) -> str:
    """Return who holds the accelerator's slots; "" where one of ``task_runs`` does, or the server cannot say."""
    from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

    try:
        free_orphaned_slots()
        taken, holders = _slots()
    except (httpx.HTTPError, ObjectNotFound, PrefectHTTPStatusError) as error:
        logger.debug("who holds %s is not known: %s", LIMIT, error)
        return ""
    if not holders or set(holders) & set(task_runs):
        return ""
    names = ", ".join(str(holder) for holder in holders[:3])
    return (
        f"Waiting for the accelerator: {taken} task runs of other builds hold the slots of '{LIMIT}' ({names}). "
        "A run that died gives its slot back after a minute."
    )


def _slots() -> tuple[int, list[UUID]]:
    """Return the number of slots that are taken, and the task runs that hold a lease on one."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        taken = client.read_global_concurrency_limit_by_name(LIMIT).active_slots
        return taken, list(client.read_concurrency_limit_by_tag(DEVICE_TAG).active_slots)
