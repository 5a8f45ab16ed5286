"""Libraries of extras (``susx[retrieval]``, ``susx[lance]``): susx installs without them."""

from __future__ import annotations

import importlib.util

from susx.errors import ConfigError

__all__ = ["require"]


def require(*packages: str, extra: str = "retrieval") -> None:
    """Check that packages can be imported, without importing them.

    Raises:
        ConfigError: one is not installed; the message names the extra.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise ConfigError(
                f"This needs the package {package.replace('_', '-')}, which is not installed. Install it with: "
                f"pip install 'susx[{extra}]'."
            )
