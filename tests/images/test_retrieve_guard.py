"""The fetching guard: schemes, addresses, redirects, sizes and time, on real sockets."""

import ipaddress
import socket
import time
import urllib.error
import urllib.request

import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.images.fetch.network_guard import FetchGuard, RefusedAddress, _is_public, build_opener
from susx.testing.http_images import ImageServer


@pytest.fixture(scope="module")
def server():
    with ImageServer() as running:
        yield running


def fetch(url, timeout=5, **limits):
    with build_opener(FetchGuard(**limits)).open(urllib.request.Request(url), timeout=timeout) as response:
        return response.read()


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
     "::1", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "2130706433", "0x7f.1",
     "::127.0.0.1", "::10.0.0.1", "64:ff9b:1::7f00:1", "64:ff9b:1:ffff::a00:1", "::ffff:0:127.0.0.1", "::ffff:0:a00:1",
     "2001:0:7f00:1::", "100::1", "fec0::1", "2001:db8::1", "ff02::1", "::"],
)  # fmt: skip
def test_addresses_that_are_not_public_are_refused(address):
    """Loopback, private, link-local, shared, multicast and their IPv6 and numeric disguises are refused."""
    try:
        with pytest.raises(RefusedAddress, match="not public"):
            FetchGuard().addresses(address, 80)
    except socket.gaierror:
        pytest.skip(f"this resolver does not accept {address} at all")


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "64:ff9b::101:101"])
def test_public_addresses_are_allowed(address):
    """Public addresses pass (nothing is connected here)."""
    assert FetchGuard().addresses(address, 80)


@given(st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address))
def test_no_address_outside_global_unicast_passes(address):
    """Whatever an IPv6 address may stand for: only 2000::/3 and public IPv4 in its two standard forms are public."""
    if _is_public(str(address)) and address not in ipaddress.ip_network("2000::/3"):
        inner = address.ipv4_mapped or ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        assert address.ipv4_mapped or address in ipaddress.ip_network("64:ff9b::/96")
        assert inner.is_global


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["::", "::ffff:0:0:0", "64:ff9b:1::", "64:ff9b:1:1::", "2002::", "2001::"]),
)
def test_private_ipv4_in_any_prefix_is_refused(number, prefix):
    """Each private address below every prefix that somebody once read IPv4 from."""
    inner = ipaddress.IPv4Address(number)
    if not inner.is_global:
        shift = 80 if prefix == "2002::" else 64 if prefix == "2001::" else 0
        assert not _is_public(
            str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | number << shift))
        )


def test_loopback_needs_permission(server):
    """A loopback server is refused by default and fetched when private addresses, or just it, are allowed."""
    with pytest.raises(urllib.error.URLError, match="refused address"):
        fetch(server.url("ok/1.jpg"))
    assert server.requests["ok/1.jpg"] == 0
    assert fetch(server.url("ok/1.jpg"), allow_private=True) == server.photo(1)
    assert fetch(server.url("ok/1.jpg"), allow_hosts=(server.host,)) == server.photo(1)


def test_a_redirect_is_checked_like_the_first_request(server):
    """An allowed server cannot redirect to a private address, by number or by name."""
    with ImageServer() as inner:
        for target in (inner.url("ok/2.jpg"), f"http://localhost:{inner.port}/ok/2.jpg", "http://10.0.0.1/x"):
            with pytest.raises(urllib.error.URLError, match="refused address"):
                fetch(server.url(f"to?{target}"), allow_hosts=(server.host,))
        assert not inner.requests
        both = (server.host, inner.host)
        assert fetch(server.url(f"to?{inner.url('ok/2.jpg')}"), allow_hosts=both) == inner.photo(2)


@pytest.mark.parametrize(
    "url", ["file:///etc/hostname", "ftp://example.org/x", "data:text/plain,hi", "gopher://x/"]
)
def test_other_schemes_are_refused(url, server):
    """Only http and https are opened, directly and through a redirect."""
    with pytest.raises((RefusedAddress, urllib.error.URLError), match=r"refused|host given"):
        fetch(url, allow_private=True)
    with pytest.raises((RefusedAddress, urllib.error.URLError)):
        fetch(server.url(f"to?{url}"), allow_private=True)


def test_bodies_end_at_their_limits(server):
    """A declared or an actual excess of bytes, a drip and a cut body all end in an error in time."""
    with pytest.raises(urllib.error.URLError, match="body too large"):
        fetch(server.url("huge"), allow_private=True)
    with pytest.raises(urllib.error.URLError, match="body too large"):
        fetch(server.url("ok/1.jpg"), allow_private=True, max_bytes=100)
    with pytest.raises(urllib.error.URLError, match="incomplete"):
        fetch(server.url("cut/1.jpg"), allow_private=True)
    start = time.monotonic()
    with pytest.raises(TimeoutError, match="body took"):
        fetch(server.url("drip"), allow_private=True, deadline=0.5)
    assert time.monotonic() - start < 30


def test_redirect_loops_end(server):
    """A redirect to itself ends with an error."""
    with pytest.raises(urllib.error.HTTPError, match="infinite loop"):
        fetch(server.url("loop"), allow_private=True)
