"""Who may ask the page's server: the page itself, on this machine.

A browser sends whatever a web page makes it send, to local servers too. A page elsewhere that calls its own name ours (DNS rebinding) is told by
the ``Host``, a form or script of another page by ``Origin`` and ``Sec-Fetch-Site``.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Guard"]

_NAMES = ("127.0.0.1", "localhost")
_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_MOST_BYTES = 2_000_000


class Guard:
    """Refuses what does not come from the page; tells browsers to load nothing from elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reason = _refusal(scope)
        if reason:
            await PlainTextResponse(reason, 403)(scope, receive, send)
            return

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [
                    (b"content-security-policy", _POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        await self._app(scope, receive, with_policy)


def _refusal(scope: Scope) -> str:
    headers, port = Headers(scope=scope), (scope.get("server") or ("", 0))[1]
    ours = {f"{name}:{port}" for name in _NAMES} | (set(_NAMES) if port == 80 else set())
    if headers.get("host", "") not in ours:
        return f"This page is at http://127.0.0.1:{port}/ alone."
    if (origin := headers.get("origin")) is not None and origin.removeprefix("http://") not in ours:
        return "Only the page itself may ask."
    site = headers.get("sec-fetch-site", "same-origin")
    if site not in ("same-origin", "none") and headers.get("sec-fetch-mode") != "navigate":
        return "Only the page itself may ask."
    if scope["method"] == "POST":
        if not headers.get("content-type", "").startswith("application/json"):
            return "Answers are JSON."
        if not headers.get("content-length", "").isdecimal() or int(headers["content-length"]) > _MOST_BYTES:
            return f"An answer says its length, at most {_MOST_BYTES} bytes."
    return ""
