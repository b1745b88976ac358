"""Who is a search engine: two name servers must agree, and an ordinary reader never waits."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from billing.web import bots
from billing.web.bots import Bots
from tests.support.name_server import SERVFAIL, NameServer

DOMAINS = ("googlebot.com", "google.com", "search.msn.com", "applebot.apple.com")
GOOGLE = "66.249.66.1"
GOOGLE_6 = "2001:4860:4801:10::1"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PTR_GOOGLE = "PTR 1.66.249.66.in-addr.arpa."
A_GOOGLE = "A crawl-66-249-66-1.googlebot.com."
HOUR = 60 * 60
DAY = 24 * HOUR


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def names() -> Iterator[NameServer]:
    """A name server that knows one Googlebot, by either kind of address."""
    server = NameServer()
    server.names(GOOGLE, "crawl-66-249-66-1.googlebot.com")
    server.names(GOOGLE_6, "crawl-6.googlebot.com")
    server.says(
        {
            "A crawl-66-249-66-1.googlebot.com": GOOGLE,
            "AAAA crawl-6.googlebot.com": GOOGLE_6,
        }
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engines(names: NameServer, clock: Clock) -> Bots:
    return Bots(DOMAINS, name_server=names.address, clock=clock)


def verify(engines: Bots, address: str) -> bool:
    return asyncio.run(engines.verify(address))


@pytest.mark.parametrize("address", [GOOGLE, GOOGLE_6, f"::ffff:{GOOGLE}", GOOGLE_6.upper()])
def test_a_search_engine_is_known_by_a_name_that_leads_back_to_its_address(
    engines: Bots, names: NameServer, address: str
) -> None:
    assert verify(engines, address) is True
    assert len(names.asked) == 2
    assert verify(engines, address) is True
    assert len(names.asked) == 2


def test_who_only_calls_themselves_a_search_engine_is_none(
    engines: Bots, names: NameServer
) -> None:
    names.names("203.0.113.9", "dsl-9.provider.example")

    assert engines.claims(GOOGLEBOT)
    assert verify(engines, "203.0.113.9") is False
    assert verify(engines, "203.0.113.10") is False
    assert names.asked == ["PTR 9.113.0.203.in-addr.arpa.", "PTR 10.113.0.203.in-addr.arpa."]


@pytest.mark.parametrize("leads_to", [GOOGLE, None])
def test_a_name_anybody_may_give_their_address_must_lead_back_to_it(
    engines: Bots, names: NameServer, leads_to: str | None
) -> None:
    names.names("203.0.113.9", "crawl-9.googlebot.com")
    if leads_to:
        names.says({"A crawl-9.googlebot.com": leads_to})

    assert verify(engines, "203.0.113.9") is False
    assert names.asked[1:] == ["A crawl-9.googlebot.com."]


@pytest.mark.parametrize(
    "name",
    [
        "evilgooglebot.com",
        "crawl.evilgooglebot.com",
        "googlebot.com.evil.example",
        "googlebot.com",
        "crawl.googlebot.com.uk",
        r"crawl\.googlebot.com",
        r"crawl.googlebot\.com",
        "msn.com",
        "com",
    ],
)
def test_a_name_that_only_looks_like_a_search_engines_is_not_even_asked(
    engines: Bots, names: NameServer, name: str
) -> None:
    names.names("203.0.113.9", name)
    names.says({f"A {name}": "203.0.113.9"})

    assert verify(engines, "203.0.113.9") is False
    assert names.asked == ["PTR 9.113.0.203.in-addr.arpa."]


def test_a_name_is_read_as_name_servers_read_it_whatever_its_letters(names: NameServer) -> None:
    names.names("203.0.113.9", "Crawl-9.GoogleBot.COM")
    names.says({"A crawl-9.googlebot.com": ["203.0.113.8", "203.0.113.9"]})
    engines = Bots((".GOOGLEBOT.com.", ""), name_server=names.address)

    assert verify(engines, "203.0.113.9") is True


def test_one_of_several_names_is_enough_and_only_a_few_are_asked(
    engines: Bots, names: NameServer
) -> None:
    names.names("203.0.113.9", "www.example", "crawl-9.googlebot.com")
    names.says({"A crawl-9.googlebot.com": "203.0.113.9"})
    many = [f"c{n}.googlebot.com" for n in range(12)]
    names.names("203.0.113.10", *many)

    assert verify(engines, "203.0.113.9") is True
    names.asked.clear()
    assert verify(engines, "203.0.113.10") is False
    assert len(names.asked) == 1 + 3


def test_a_silent_name_server_is_a_no_before_a_second_is_over_and_is_asked_again_after_a_minute(
    engines: Bots, names: NameServer, clock: Clock
) -> None:
    names.silent = True
    began = time.monotonic()
    assert verify(engines, GOOGLE) is False
    assert time.monotonic() - began < 1.5

    names.silent = False
    clock.seconds += 59
    assert verify(engines, GOOGLE) is False
    clock.seconds += 2
    assert verify(engines, GOOGLE) is True


def test_a_slow_name_server_keeps_nobody_waiting_longer_than_a_silent_one(
    engines: Bots, names: NameServer
) -> None:
    names.slow = 0.7
    began = time.monotonic()
    assert verify(engines, GOOGLE) is False
    assert time.monotonic() - began < 1.5


def test_a_name_server_that_fails_is_asked_again_after_a_minute(
    engines: Bots, names: NameServer, clock: Clock
) -> None:
    names.answer = SERVFAIL
    assert verify(engines, GOOGLE) is False

    names.answer = None
    clock.seconds += 59
    assert verify(engines, GOOGLE) is False
    clock.seconds += 2
    assert verify(engines, GOOGLE) is True


def test_without_any_name_server_nobody_is_a_search_engine() -> None:
    nowhere = NameServer()
    address = nowhere.address
    nowhere._socket.close()

    assert verify(Bots(DOMAINS, name_server=address), GOOGLE) is False


def test_a_yes_is_believed_for_a_day_and_a_no_for_an_hour(
    engines: Bots, names: NameServer, clock: Clock
) -> None:
    def asked_after(seconds: float) -> list[str]:
        names.asked.clear()
        clock.seconds += seconds
        assert verify(engines, GOOGLE) is True
        assert verify(engines, "203.0.113.9") is False
        return names.asked

    google, stranger = [PTR_GOOGLE, A_GOOGLE], ["PTR 9.113.0.203.in-addr.arpa."]
    assert asked_after(0) == google + stranger
    assert asked_after(HOUR - 1) == []
    assert asked_after(1) == stranger
    assert asked_after(DAY - HOUR - 1) == stranger
    assert asked_after(1) == google


def test_a_verdict_that_has_ended_gives_way_to_its_contrary(
    engines: Bots, names: NameServer, clock: Clock
) -> None:
    assert verify(engines, GOOGLE) is True

    names.names(GOOGLE, "sold.example")
    clock.seconds += DAY
    assert verify(engines, GOOGLE) is False
    names.names(GOOGLE, "crawl-66-249-66-1.googlebot.com")
    assert verify(engines, GOOGLE) is False
    clock.seconds += HOUR
    assert verify(engines, GOOGLE) is True


def test_many_requests_of_one_address_ask_once(engines: Bots, names: NameServer) -> None:
    async def together() -> list[bool]:
        return await asyncio.gather(*(engines.verify(GOOGLE) for _ in range(50)))

    assert asyncio.run(together()) == [True] * 50
    assert len(names.asked) == 2


def test_who_goes_away_while_asking_takes_the_answer_from_nobody(
    engines: Bots, names: NameServer
) -> None:
    names.slow = 0.1

    async def one_leaves() -> bool:
        leaves = asyncio.create_task(engines.verify(GOOGLE))
        stays = asyncio.create_task(engines.verify(GOOGLE))
        await asyncio.sleep(0.05)
        leaves.cancel()
        return await stays

    assert asyncio.run(one_leaves()) is True
    assert len(names.asked) == 2


def test_more_than_sixteen_lookups_at_once_are_a_no_for_this_time_only(
    engines: Bots, names: NameServer
) -> None:
    strangers = [f"203.0.{n}.1" for n in range(16)]

    async def together() -> list[bool]:
        return await asyncio.gather(*(engines.verify(each) for each in (*strangers, GOOGLE)))

    assert asyncio.run(together()) == [False] * 17
    assert set(names.asked) == {f"PTR 1.{n}.0.203.in-addr.arpa." for n in range(16)}
    assert verify(engines, GOOGLE) is True


@pytest.mark.parametrize("network", ["2001:db8:0:1:{0:x}00::{0:x}", "203.0.113.{0}"])
def test_a_network_with_a_silent_name_server_keeps_no_search_engine_from_being_asked(
    engines: Bots, names: NameServer, network: str
) -> None:
    names.silent = True

    async def flood() -> bool:
        strangers = [asyncio.create_task(engines.verify(network.format(n))) for n in range(1, 41)]
        await asyncio.sleep(0.1)
        assert [each.done() for each in strangers] == [False] + [True] * 39
        assert len(names.asked) == 1
        names.silent = False
        google = await engines.verify(GOOGLE)
        assert await asyncio.gather(*strangers) == [False] * 40
        return google

    assert asyncio.run(flood()) is True


def test_the_network_next_door_is_asked_at_the_same_time(engines: Bots, names: NameServer) -> None:
    several = ["203.0.113.255", "203.0.114.0", "2001:db8:0:1:f::", "2001:db8:0:2::"]

    async def together() -> None:
        await asyncio.gather(*(engines.verify(each) for each in several))

    asyncio.run(together())
    assert len(set(names.asked)) == 4


def test_a_neighbours_no_is_a_search_engines_only_while_the_neighbour_is_asked(
    engines: Bots, names: NameServer
) -> None:
    async def together() -> list[bool]:
        return await asyncio.gather(*(engines.verify(each) for each in ("66.249.66.9", GOOGLE)))

    assert asyncio.run(together()) == [False, False]
    assert names.asked == ["PTR 9.66.249.66.in-addr.arpa."]
    assert verify(engines, GOOGLE) is True


def test_a_known_search_engine_reads_on_while_its_neighbour_is_asked(
    engines: Bots, names: NameServer
) -> None:
    assert verify(engines, GOOGLE) is True
    names.silent = True

    async def together() -> list[bool]:
        return await asyncio.gather(*(engines.verify(each) for each in ("66.249.66.9", GOOGLE)))

    assert asyncio.run(together()) == [False, True]


def test_however_many_are_none_nobody_forgets_who_is_a_search_engine(
    engines: Bots, names: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bots, "_REMEMBERED", 3)
    verify(engines, GOOGLE)
    for n in range(1, 8):
        verify(engines, f"2001:db8::{n}")
    names.asked.clear()

    assert verify(engines, GOOGLE) is True
    assert names.asked == []


@pytest.mark.parametrize("verdict", [True, False])
def test_only_so_many_addresses_are_remembered_and_who_comes_back_stays(
    engines: Bots, names: NameServer, monkeypatch: pytest.MonkeyPatch, *, verdict: bool
) -> None:
    monkeypatch.setattr(bots, "_REMEMBERED", 3)
    for n in range(1, 8) if verdict else ():
        names.names(f"203.0.113.{n}", f"crawl-{n}.googlebot.com")
        names.says({f"A crawl-{n}.googlebot.com": f"203.0.113.{n}"})
    for n in range(1, 8):
        assert verify(engines, f"203.0.113.{n}") is verdict
        assert verify(engines, "203.0.113.1") is verdict

    questions = [f"PTR {n}.113.0.203.in-addr.arpa." for n in range(1, 8)]
    assert [each for each in names.asked if each in questions] == questions
    names.asked.clear()
    for n in (6, 7, 1):
        assert verify(engines, f"203.0.113.{n}") is verdict
    assert names.asked == []
    assert verify(engines, "203.0.113.5") is verdict
    assert names.asked[0] == questions[4]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "testclient",
        "2001:db8::/64",
        "66.249.66.1:443",
        "fe80::1%eth0",
        "1" * 5_000,
        "1.1.1.1\0",
    ],
)
def test_what_is_no_address_is_no_search_engine_and_is_not_asked(
    engines: Bots, names: NameServer, address: str
) -> None:
    assert verify(engines, address) is False
    assert names.asked == []


@pytest.mark.parametrize(
    "agent",
    [
        GOOGLEBOT,
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://x)",
        "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) (Applebot/0.1)",
        "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
        "GOOGLEBOT-IMAGE/1.0",
    ],
)
def test_whoever_calls_themselves_a_search_engine_is_worth_a_question(
    engines: Bots, agent: str
) -> None:
    assert engines.claims(agent) is True


@pytest.mark.parametrize("agent", ["", FIREFOX, "curl/8.5.0", "GPTBot/1.2", "CCBot/2.0"])
def test_an_ordinary_reader_never_waits_for_a_name_server(engines: Bots, agent: str) -> None:
    assert engines.claims(agent) is False


@pytest.mark.parametrize("domains", [(), ("",), (".",)])
def test_unless_the_paper_names_a_domain_nobody_is_a_search_engine_and_nothing_is_asked(
    names: NameServer, domains: tuple[str, ...]
) -> None:
    engines = Bots(domains, name_server=names.address)

    assert engines.claims(GOOGLEBOT) is False
    assert verify(engines, GOOGLE) is False
    assert names.asked == []
