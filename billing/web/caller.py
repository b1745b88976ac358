"""Where a request came from. A forwarded address is believed only of a proxy we trust."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from starlette.requests import Request

from billing.settings import Settings


def caller_of(request: Request, settings: Settings) -> str:
    """Return the network address of whoever asked, for counting attempts; '' if there is none.

    Each trusted proxy appends whom it heard from, so the list is read from its end, and the first
    address that is no proxy of ours is the caller. Anybody could have made up the rest.
    """
    peer = request.client.host if request.client else ""
    heard = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",")]
    caller = peer
    for hop in (peer, *reversed(heard)):
        if not _is_address(hop):
            break
        caller = hop
        if not _trusted(hop, settings.trusted_proxies):
            break
    return caller


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _trusted(hop: str, proxies: Iterable[str]) -> bool:
    return any(ip_address(hop) in ip_network(proxy, strict=False) for proxy in proxies)
