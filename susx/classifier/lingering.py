"""The end of a connection that the service closes: its last answer arrives, whatever the client was sending meanwhile.

A socket that is closed while bytes lie in it unread, or still come, is reset, and a reset throws away the answer that was on its way: the
client sees a read error in place of a refusal. So nothing more is written, what still comes is read and thrown away, and the socket is
closed once the client has closed its side, or after ``LINGER_SECONDS``.
"""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["LINGER_FILES", "LINGER_SECONDS", "LingeringTransport"]

LINGER_SECONDS = 1.0
"""Seconds that a closed connection is read on."""

LINGER_FILES = 256
"""Connections that linger at a time; beyond it the one that has done so longest is closed."""


class LingeringTransport:
    """A transport whose ``close`` lingers.

    Args:
        transport: of a TCP connection.
        loop: that serves it.
        lingering: the connections of this service that linger, the one that began first first.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        lingering: dict[LingeringTransport, None],
    ) -> None:
        self._transport, self._loop, self._lingering = transport, loop, lingering
        self._closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether nothing more is written: it lingers or is closed."""
        return self._closed or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send bytes, none once it is closed."""
        if not self._closed:
            self._transport.write(data)

    def close(self) -> None:
        """Write what is left, then read on until the client has closed its side."""
        if self.is_closing():
            return
        self._closed = True
        try:
            self._transport.write_eof()
            self._transport.resume_reading()
        except OSError:  # the client has gone
            self._transport.abort()
            return
        self._lingering[self] = None
        if len(self._lingering) > LINGER_FILES:
            next(iter(self._lingering)).finish()
        self._timer = self._loop.call_later(LINGER_SECONDS, self.finish)

    def abort(self) -> None:
        """Close at once; what is on its way is lost."""
        self._closed = True
        self.forget()
        self._transport.abort()

    def finish(self) -> None:
        """Close the socket; what was not read by now resets it."""
        self.forget()
        self._transport.close()

    def forget(self) -> None:
        """Stop counting it among those that linger."""
        if self in self._lingering:
            del self._lingering[self]
            self._timer.cancel()
