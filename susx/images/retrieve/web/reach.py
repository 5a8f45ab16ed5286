"""Whether anything answers at an address."""

from __future__ import annotations

import requests

from susx.images.retrieve.web.contact import user_agent
from susx.images.retrieve.web.faults import fault_of

__all__ = ["answers"]


def answers(address: str, timeout: float = 4.0) -> str:
    """Return "" where a server answers, whatever it says of this path, else what is wrong."""
    try:
        with requests.get(
            address, timeout=timeout, stream=True, allow_redirects=False, headers={"User-Agent": user_agent()}
        ) as response:
            return f"is failing (HTTP {response.status_code})" if response.status_code >= 500 else ""
    except requests.RequestException as error:
        return fault_of(error, timeout).diagnosis
