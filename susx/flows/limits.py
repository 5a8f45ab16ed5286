"""How many task runs may use the accelerator at once, where a Prefect server looks after several runs."""

from __future__ import annotations

import logging

from susx.flows.connection import shared_server_url
from susx.flows.tasks import DEVICE_TAG

__all__ = ["ensure_device_limit"]

logger = logging.getLogger(__name__)


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
    name = f"tag:{DEVICE_TAG}"
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            try:
                client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=slots))
            except (ObjectAlreadyExists, PrefectHTTPStatusError) as error:
                # Two first runs at once: the other one made it.
                logger.debug("the limit %s was not made: %s", name, error)
