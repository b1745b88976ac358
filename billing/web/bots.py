"""Whether an address is a search engine's: what its name servers say, never what it says itself.

An address has a name, and the name has addresses; only who owns both can make them agree. The paper
names the domains it trusts, and without any nobody is a bot and nothing is asked.

Source: https://developers.google.com/search/docs/crawling-indexing/verifying-googlebot
Source: https://www.bing.com/webmasters/help/how-to-verify-bingbot-3905dc26
Source: https://support.apple.com/en-us/119829
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

import structlog
from dns.asyncbackend import get_backend
from dns.asyncresolver import Resolver
from dns.exception import DNSException
from dns.name import Name, from_text
from dns.nameserver import Do53Nameserver
from dns.resolver import NXDOMAIN, YXDOMAIN, NoAnswer
from dns.reversename import from_address

# What the crawlers of search engines call themselves; DNS is asked of nobody else.
_CLAIMS: Final = (
    "googlebot",
    "googleother",
    "google-inspectiontool",
    "bingbot",
    "bingpreview",
    "adidxbot",
    "applebot",
    "duckduckbot",
    "yandex",
    "baiduspider",
    "slurp",
    "seznambot",
    "qwantbot",
    "petalbot",
    "mojeekbot",
)
# Seconds for all that one address takes. nginx must not lose its patience meanwhile (deploy/), or
# whoever has a silent name server and calls themselves a crawler would read by its lack of one.
_LIFETIME: Final = 0.7
_ONE_SERVER: Final = 0.3  # of them, before the next name server is asked
_AT_ONCE: Final = 16  # lookups, each of another network
_NAMES: Final = 3  # of one address; more than one is rare, and each costs a question
_REMEMBERED: Final = 10_000  # addresses, of each verdict
_YES_LASTS: Final = 24 * 60 * 60  # seconds
_NO_LASTS: Final = 60 * 60
_SILENCE_LASTS: Final = 60

_log = structlog.get_logger(__name__)

_Address = IPv4Address | IPv6Address


class Bots:
    """The verdicts of one process, on the event loop alone.

    Args:
        domains: of the search engines that may read everything; none, and nothing is asked.
        name_server: whom to ask, and at which port; None for those of the machine.
        clock: seconds that never go backwards.
    """

    def __init__(
        self,
        domains: Iterable[str],
        *,
        name_server: tuple[str, int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # An empty domain would be the root, which everybody's name is below.
        self._domains = [from_text(bare) for each in domains if (bare := each.strip(" ."))]
        self._name_server = name_server
        self._clock = clock
        # When each verdict ends. Anybody can collect a no for every address of their network, which
        # must push out no search engine's yes.
        self._verdicts: dict[bool, OrderedDict[_Address, float]] = {
            verdict: OrderedDict() for verdict in (True, False)
        }
        self._asking: dict[bytes, tuple[_Address, asyncio.Task[bool]]] = {}  # by network

    def claims(self, user_agent: str) -> bool:
        """Tell whether somebody calls themselves a search engine, so that it is worth asking."""
        if not self._domains:
            return False
        said = user_agent.lower()
        return any(word in said for word in _CLAIMS)

    async def verify(self, address: str) -> bool:
        """Tell whether an address is a search engine's, asking its name servers if need be.

        No answer within 0.7 seconds is a no. A question too many at once is a no without waiting,
        and so is one while a neighbour in the same network is asked; both are asked the next time.
        """
        read = _read(address)
        if read is None or not self._domains:
            return False
        verdict = self._remembered(read)
        if verdict is not None:
            return verdict
        network = _network(read)
        asked, task = self._asking.get(network, (read, None))
        if task is None:
            if len(self._asking) >= _AT_ONCE:
                return False
            task = asyncio.create_task(self._ask(read))
            self._asking[network] = (read, task)
            task.add_done_callback(lambda _: self._asking.pop(network, None))
        elif asked != read:
            return False
        # The others still want to know when one of those who asked has gone.
        return await asyncio.shield(task)

    def _remembered(self, address: _Address) -> bool | None:
        for verdict, ends in self._verdicts.items():
            if address in ends and ends[address] > self._clock():
                ends.move_to_end(address)
                return verdict
        return None

    def _remember(self, address: _Address, verdict: bool, *, lasts: float) -> bool:  # noqa: FBT001
        ends = self._verdicts[verdict]
        ends[address] = self._clock() + lasts
        ends.move_to_end(address)
        if len(ends) > _REMEMBERED:
            ends.popitem(last=False)
        return verdict

    async def _ask(self, address: _Address) -> bool:
        try:
            async with asyncio.timeout(_LIFETIME):
                verdict = await self._agrees(address)
        except (DNSException, OSError) as error:  # TimeoutError is one of the latter
            _log.info("search_bot_unanswered", error=type(error).__name__)
        except Exception:  # noqa: BLE001  # whatever it is, the crawler gets an answer
            _log.exception("search_bot_failed")
        else:
            return self._remember(address, verdict, lasts=_YES_LASTS if verdict else _NO_LASTS)
        return self._remember(address, verdict=False, lasts=_SILENCE_LASTS)

    async def _agrees(self, address: _Address) -> bool:
        """Tell whether a name of the address is a search engine's and leads back to it."""
        resolver = self._resolver()
        named = await _look_up(resolver, from_address(str(address)), "PTR")
        names = [from_text(name) for name in named]
        kind = "A" if isinstance(address, IPv4Address) else "AAAA"
        for name in [name for name in names if self._trusts(name)][:_NAMES]:
            if address in map(ip_address, await _look_up(resolver, name, kind)):
                return True
        return False

    def _trusts(self, name: Name) -> bool:
        """Tell whether a name is below one of the domains; by whole labels, not by letters."""
        return any(name.is_subdomain(domain) and name != domain for domain in self._domains)

    def _resolver(self) -> Resolver:
        # Made anew, so that it follows the machine's settings as they change.
        resolver = Resolver(configure=self._name_server is None)
        if self._name_server is not None:
            resolver.nameservers = [Do53Nameserver(*self._name_server)]
        resolver.timeout = _ONE_SERVER
        resolver.lifetime = _LIFETIME
        return resolver


def _read(address: str) -> _Address | None:
    try:
        read = ip_address(address)
    except ValueError:
        return None
    if isinstance(read, IPv4Address):
        return read
    # A socket for both kinds writes IPv4 as IPv6; what is only of this network has no name.
    return read.ipv4_mapped or (None if read.scope_id else read)


def _network(address: _Address) -> bytes:
    """Return what all addresses begin with that one owner has at the least: a /24, or a /64."""
    return address.packed[: 3 if isinstance(address, IPv4Address) else 8]


async def _look_up(resolver: Resolver, name: Name, kind: str) -> list[str]:
    """Return what a name has of one kind, as text; nothing where the name servers say so."""
    backend = get_backend("asyncio")
    with suppress(NXDOMAIN, NoAnswer, YXDOMAIN):
        return [found.to_text() for found in await resolver.resolve(name, kind, backend=backend)]
    return []
