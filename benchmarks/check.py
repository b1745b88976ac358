"""The paywall check against a bare answer of the same server: for a subscriber, and refused."""

import http.client
from datetime import UTC, datetime, timedelta

from benchmarks._measure import Request, compare, floor, last_line, product
from benchmarks._setting import Setting, setting
from billing import readers, sign_in
from billing.access.entitlements import Term, grant
from billing.models import EntitlementSource


def main() -> None:
    """Measure both, and print a line for each."""
    with (
        setting() as here,
        floor("benchmarks._floors:bare", {}) as least,
        product(here.env) as ours,
    ):
        bare = (least, _asks(""))
        cookie = _subscriber(here)
        subscriber = compare("a subscriber", (ours, _asks(f"reader={cookie}")), bare)
        stopped = _read_to_the_limit(ours.port)
        refused = compare("a refused visitor", (ours, _asks(stopped)), bare)
    last_line(subscriber=subscriber, refused=refused)


def _subscriber(here: Setting) -> str:
    now = datetime.now(UTC)
    with here.db.unit_of_work() as session:
        reader = readers.create(session, now=now)
        grant(
            session,
            reader_id=reader.id,
            source=EntitlementSource.COMP,
            source_id="benchmark",
            term=Term(now, now + timedelta(days=30), "measured"),
            now=now,
        )
        return sign_in.begin_session(session, reader_id=reader.id, now=now)


def _read_to_the_limit(port: int) -> str:
    """Read until refused, as a browser that keeps its cookie would."""
    cookie, answer = "", ""
    for article in range(6):
        ask = http.client.HTTPConnection("127.0.0.1", port)
        ask.request("GET", f"/paywall/check?article=read-{article}", headers={"Cookie": cookie})
        said = ask.getresponse()
        answer = said.read().decode()
        cookie = (said.getheader("Set-Cookie") or cookie).split(";")[0]
    if '"limit_reached"' not in answer:
        raise RuntimeError(f"the visitor was not refused: {answer}")
    return cookie


def _asks(cookie: str) -> Request:
    asked = (
        f"GET /paywall/check?article=new HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n".encode()
    )
    return lambda _number: asked


if __name__ == "__main__":
    main()
