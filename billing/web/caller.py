"""Where a request came from. A forwarded address is believed only of a proxy we trust."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from starlette.requests import HTTPConnection

from billing.settings import Settings

# One household or server has a whole network of IPv6 addresses, and may use a new one each time.
# Source: https://www.rfc-editor.org/rfc/rfc6177
_ONE_CALLER: Final = 64  # bits


def caller_of(request: HTTPConnection, settings: Settings) -> str:
    """Return the network address of whoever asked, for counting attempts; '' if there is none.

    Each trusted proxy appends whom it heard from, so the list is read from its end, and the first
    address that is no proxy of ours is the caller. Anybody could have made up the rest.
    """
    address = address_of(request, settings)
    if address is not None:
        return _counted_as(address)
    return request.client.host if request.client else ""


def address_of(request: HTTPConnection, settings: Settings) -> IPv4Address | IPv6Address | None:
    """Return the very address of whoever asked; None if there is none."""
    peer = request.client.host if request.client else ""
    # A proxy may write a line of its own instead of adding to the one it was given.
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
    heard = [hop.strip() for hop in forwarded.split(",")]
    caller = None
    for hop in (peer, *reversed(heard)):
        address = _address(hop)
        if address is None:
            break
        caller = address
        if not _trusted(address, settings.trusted_proxies):
            break
    return caller


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket for both kinds writes IPv4 as IPv6.
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _counted_as(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((int(address) >> _ONE_CALLER << _ONE_CALLER, _ONE_CALLER)))


def _trusted(address: IPv4Address | IPv6Address, proxies: Iterable[str]) -> bool:
    return any(address in ip_network(proxy, strict=False) for proxy in proxies)
