"""What the settings of all public sources share: an API whose limits are kept, and what ``susx sources`` asks of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import PositiveFloat

from susx.config.ingredients import NotInKey
from susx.images.retrieve.backends.backend import BackendSettings, Delivers
from susx.images.retrieve.web import Limit, WebClient

__all__ = ["AT_ONCE", "PublicSourceSettings"]

AT_ONCE = 8
"""Classes that a public source is asked for at once; how many questions it takes is counted in its quota."""


class PublicSourceSettings(BackendSettings):
    """A public source of photographs."""

    delivers: ClassVar[frozenset[Delivers]] = frozenset({Delivers.LINKS})
    public: ClassVar[bool] = True

    address: str
    """Of the API."""
    timeout: Annotated[PositiveFloat, NotInKey()] = 10.0
    """Seconds for the three tries of one request together."""
    patience: Annotated[PositiveFloat, NotInKey()] = 90.0
    """Longest wait for a limit, in seconds; a longer one ends the search and says when to go on."""

    @property
    def links_alone(self) -> bool:
        """See :meth:`BackendSettings.links_alone`."""
        return True

    @abstractmethod
    def limits(self) -> Sequence[Limit]:
        """Return the limits that it asks to keep, of those without a key or of those with one."""

    @property
    def registered(self) -> bool:
        """Whether the limits are those of a key."""
        return False

    def key(self, base: str) -> Callable[[], str | None]:
        """Return what returns the header ``Authorization`` when a request goes out."""
        return lambda: None

    def reach(self) -> str:
        """See :meth:`BackendSettings.reach`."""
        return self.client().reach()

    def left(self) -> str:
        """See :meth:`BackendSettings.left`."""
        return self.client().left()

    def client(self, work: Path | None = None, build: str = "") -> WebClient:
        """Return what asks the API."""
        base = self.address.rstrip("/") + "/"
        return WebClient(
            self.backend, base, self.limits(), work=work, build=build, timeout=self.timeout, patience=self.patience,
            key=self.key(base), registered=self.registered,
        )  # fmt: skip
