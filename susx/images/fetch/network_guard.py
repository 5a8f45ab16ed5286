"""What a downloader may reach, installed as urllib's opener in every process that fetches.

img2dataset fetches with ``urllib.request.urlopen``, which reads whole bodies, follows any redirect and opens any
address and scheme. The opener here is what it then uses, so these limits hold for the first request and for every
redirect:

* schemes http and https only (no file:, ftp:, data:);
* the address that is connected to is the address that was checked: names are resolved once, every answer must be
  public, and the socket goes to that answer, so a name that changes its answer in between gains nothing;
* bodies end at ``max_bytes`` and at a deadline over the whole body, so a server that drips cannot hold a thread;
* at most ten redirects, no loops (urllib's own rule).

With an HTTP proxy in the environment the proxy resolves names itself. The target's name is then resolved and checked
here as well, but the proxy may see another answer: confine the proxy where that matters.
"""

from __future__ import annotations

import base64
import http.client
import io
import ipaddress
import json
import os
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import asdict, dataclass
from typing import Any

from susx.images.fetch.opt_out import opted_out

__all__ = ["ENVIRONMENT", "FetchGuard", "RefusedAddress", "build_opener", "install_from_environment"]

ENVIRONMENT = "SUSX_FETCH_GUARD"
"""Variable through which the parent hands its limits to the fetching processes."""


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that stand for IPv4 ones (RFC 6052)."""

_UNICAST = ipaddress.ip_network("2000::/3")
"""All public IPv6 addresses (RFC 4291). Outside lie the many old and local ways to write an IPv4 address as an IPv6 one:
``::127.0.0.1``, ``::ffff:0:127.0.0.1``, ``64:ff9b:1::/48``; ``is_global`` calls some of them public."""


class RefusedAddress(OSError):
    """An address or scheme that may not be fetched."""


@dataclass(frozen=True)
class FetchGuard:
    """Limits of one fetch.

    Attributes:
        allow_private: whether loopback, private, link-local and reserved addresses may be reached.
        allow_hosts: ``host:port`` that may be reached whatever its address.
        max_bytes: of one body.
        deadline: seconds for one body after its headers came.
        respect_opt_out: whether a body is left alone whose owner opted out (:mod:`~susx.images.fetch.opt_out`).
    """

    allow_private: bool = False
    allow_hosts: tuple[str, ...] = ()
    max_bytes: int = 20_000_000
    deadline: float = 30.0
    respect_opt_out: bool = True

    def to_environment(self) -> dict[str, str]:
        """Return the variable that :func:`install_from_environment` reads."""
        return {ENVIRONMENT: json.dumps(asdict(self))}

    def addresses(self, host: str, port: int) -> list[tuple[Any, ...]]:
        """Resolve a host and return its ``getaddrinfo`` answers.

        Raises:
            RefusedAddress: one of the answers is not a public address.
            OSError: the name does not resolve.
        """
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        if self.allow_private or f"{host}:{port}" in self.allow_hosts:
            return answers
        for answer in answers:
            address = str(answer[4][0]).partition("%")[0]
            if not _is_public(address):
                raise RefusedAddress(f"refused address: {host} is {address}, which is not public")
        return answers


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text)
    inner: ipaddress.IPv4Address | ipaddress.IPv6Address | None = None
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None and address.ipv4_mapped:
            address = inner
        elif address not in _UNICAST and address not in _NAT64:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.teredo:
            return False
    return all(a.is_global and not a.is_multicast for a in (address, inner or address))


def install_from_environment() -> None:
    """Install the opener in this process when the parent asked for it."""
    if ENVIRONMENT in os.environ:
        values = json.loads(os.environ[ENVIRONMENT])
        guard = FetchGuard(**values | {"allow_hosts": tuple(values["allow_hosts"])})
        urllib.request.install_opener(build_opener(guard))


def build_opener(guard: FetchGuard) -> urllib.request.OpenerDirector:
    """Return an opener that keeps the limits. Handlers for other schemes are left out."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _Credentials(),
        _SchemeAndProxyCheck(guard),
        _http_handler(guard),
        _https_handler(guard),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        _BodyLimit(guard),
        _Refuse(),
    ):
        opener.add_handler(handler)
    return opener


class _Credentials(urllib.request.BaseHandler):
    """Sends the name and password of a link (``http://name:password@host/``) as browsers do; urllib takes them for a part of the host."""

    handler_order = 10  # before the request's host is read

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        user, at, location = (request.host or "").rpartition("@")
        if at:
            request.host = location
            told = base64.b64encode(urllib.parse.unquote_to_bytes(user)).decode("ascii")
            request.add_unredirected_header("Authorization", f"Basic {told}")
        return request

    https_request = http_request


class _SchemeAndProxyCheck(urllib.request.BaseHandler):
    """Checks the target even where a proxy makes the connection."""

    handler_order = 50  # before ProxyHandler (100) rewrites the request

    def __init__(self, guard: FetchGuard) -> None:
        self.guard = guard

    def default_open(self, request: urllib.request.Request) -> None:
        if request.type not in {"http", "https"}:
            raise RefusedAddress(f"refused scheme: {request.type}: is neither http nor https")
        scheme = request.type
        if scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(request.host or ""):
            host, _, port = (request.host or "").rpartition(":")
            if not host or not port.isdecimal():
                host, port = request.host or "", "443" if scheme == "https" else "80"
            self.guard.addresses(host.strip("[]"), int(port))


def _connector(guard: FetchGuard, proxied: bool) -> Any:
    def connect(address: tuple[str, int], timeout: Any = None, source_address: Any = None) -> socket.socket:
        # A proxy of one's own may well live on a private address.
        allowed = FetchGuard(allow_private=True) if proxied else guard
        problem: OSError | None = None
        for family, kind, protocol, _, target in allowed.addresses(*address):
            sock = socket.socket(family, kind, protocol)
            try:
                if isinstance(timeout, int | float):
                    sock.settimeout(timeout)
                sock.connect(target)
                return sock
            except OSError as error:
                problem = error
                sock.close()
        raise problem or OSError(f"no address for {address[0]}")

    return connect


def _http_handler(guard: FetchGuard) -> urllib.request.HTTPHandler:
    class Handler(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> Any:
            def connection(host: str, **options: Any) -> http.client.HTTPConnection:
                made = http.client.HTTPConnection(host, **options)
                made._create_connection = _connector(guard, request.has_proxy())  # type: ignore[attr-defined]
                return made

            return self.do_open(connection, request)  # type: ignore[arg-type]

    return Handler()


def _https_handler(guard: FetchGuard) -> urllib.request.HTTPSHandler:
    class Handler(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> Any:
            proxied = getattr(request, "_tunnel_host", None) is not None

            def connection(host: str, **options: Any) -> http.client.HTTPSConnection:
                made = http.client.HTTPSConnection(host, **options)
                made._create_connection = _connector(guard, proxied)  # type: ignore[attr-defined]
                return made

            return self.do_open(connection, request)  # type: ignore[arg-type]

    return Handler()


class _BodyLimit(urllib.request.BaseHandler):
    """Replaces ``read`` of a response by one with a size and a time limit."""

    handler_order = 900  # after HTTPErrorProcessor, so only on responses that are returned

    def __init__(self, guard: FetchGuard) -> None:
        self.guard = guard

    def http_response(self, request: urllib.request.Request, response: Any) -> Any:
        if self.guard.respect_opt_out and (
            directive := opted_out(response.headers.get_all("X-Robots-Tag", []))
        ):
            response.close()
            raise urllib.error.URLError(f"X-Robots-Tag: {directive}")
        declared = response.headers.get("Content-Length", "")
        if declared.isdecimal() and int(declared) > self.guard.max_bytes:
            response.close()
            raise urllib.error.URLError(f"body too large: {declared} bytes, at most {self.guard.max_bytes}")
        response.read = _limited(response, self.guard)
        return response

    https_response = http_response


def _limited(response: Any, guard: FetchGuard) -> Any:
    read_some = response.read1

    def read(amount: int | None = None) -> bytes:
        end = time.monotonic() + guard.deadline
        body = io.BytesIO()
        while amount is None or body.tell() < amount:
            block = read_some(65536)
            if not block:
                break
            body.write(block)
            if body.tell() > guard.max_bytes:
                raise urllib.error.URLError(f"body too large: more than {guard.max_bytes} bytes")
            if time.monotonic() > end:
                raise TimeoutError(f"timed out: the body took more than {guard.deadline:g} seconds")
        declared = response.headers.get("Content-Length", "")
        if declared.isdecimal() and body.tell() < int(declared):
            raise urllib.error.URLError(f"incomplete body: {body.tell()} of {declared} bytes")
        return body.getvalue()

    return read


class _Refuse(urllib.request.BaseHandler):
    def unknown_open(self, request: urllib.request.Request) -> None:
        raise RefusedAddress(f"refused scheme: {request.type}: is neither http nor https")
