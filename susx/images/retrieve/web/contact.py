"""Who asks: ``SUSX_CONTACT``, an address that a source can write to before it shuts somebody out."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import re

from susx.errors import ConfigError

__all__ = ["CONTACT", "require_contact", "user_agent"]

CONTACT = "SUSX_CONTACT"


def user_agent() -> str:
    """Return how requests name themselves, with the contact where one is set."""
    contact = _contact()
    return f"susx/{_version()}" + (f" ({contact})" if contact else "")


@functools.cache
def _version() -> str:
    return importlib.metadata.version("susx")


def require_contact(source: str) -> None:
    """Refuse to ask a source without a contact.

    Raises:
        ConfigError: ``SUSX_CONTACT`` is not set.
    """
    if not _contact():
        raise ConfigError(
            f"{source} asks programs to say whom they work for. Set {CONTACT} to your e-mail address or web page; it is sent with every "
            "request."
        )


def _contact() -> str:
    """Return the contact in one line of ASCII, as headers have to be."""
    contact = re.sub(r"[^\x20-\x7e]|[()]", " ", os.environ.get(CONTACT, ""))
    return " ".join(contact.split())[:200]
