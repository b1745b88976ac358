"""Whose attempts are counted: what a stranger forwards of themselves is not believed."""

import pytest
from starlette.requests import Request

from billing.settings import Settings
from billing.web.caller import caller_of


def heard(peer: str | None, forwarded: str | None) -> Request:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    client = None if peer is None else (peer, 1234)
    return Request({"type": "http", "headers": headers, "client": client})


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("203.0.113.5", None, "203.0.113.5"),
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),
        ("127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "6.6.6.6, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
        ("127.0.0.1", "2001:db8::1", "2001:db8::/64"),
        ("127.0.0.1", "2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "6.6.6.6", "2001:db8:0:1::/64"),
        ("::ffff:127.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "6.6.6.6, rubbish", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("testclient", "6.6.6.6", "testclient"),
        (None, "6.6.6.6", ""),
    ],
)
def test_the_caller_is_the_nearest_address_that_is_no_proxy_of_ours(
    peer: str | None, forwarded: str | None, caller: str
) -> None:
    settings = Settings(trusted_proxies=("127.0.0.1", "10.0.0.0/8"))
    assert caller_of(heard(peer, forwarded), settings) == caller


def test_a_proxy_that_writes_a_line_of_its_own_is_believed_before_what_it_was_given() -> None:
    lines = [(b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"198.51.100.1")]
    request = Request({"type": "http", "headers": lines, "client": ("127.0.0.1", 1234)})
    assert caller_of(request, Settings()) == "198.51.100.1"
