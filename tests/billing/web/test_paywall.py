"""The check as the paper's server asks it, over HTTP."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from pydantic import SecretStr

from billing import access, readers, sign_in
from billing.access import Reason, Wall
from billing.clock import month_bounds, month_of, start_of_day
from billing.context import Context
from billing.driver import Connection
from billing.models import EntitlementSource, Meter
from billing.readers.meters import HASH
from billing.settings import Paywall, Settings

KEY = "k" * 40
ORIGIN = "https://morningstaronline.example"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Two free articles, a key, and one page elsewhere that may ask."""
    paywall = Paywall(
        limit=2, origins=(ORIGIN,), keys=(SecretStr(KEY),), article_path="/read/{article}"
    )
    return settings.model_copy(update={"paywall": paywall})


def ask(client: TestClient, article: str = "a1", **headers: str) -> dict[str, Any]:
    answer = client.get("/paywall/v1/check", params={"article": article}, headers=headers)
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


def rows(context: Context) -> int:
    with context.db.reading() as session:
        return (session.scalar(sa.select(sa.func.sum(sa.func.length(Meter.articles)))) or 0) // HASH


@pytest.fixture
def subscriber(client: TestClient, context: Context) -> TestClient:
    """A browser signed in as somebody with a right to read for another day."""
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        reader = readers.create(session, now=now)
        access.grant(
            session,
            reader_id=reader.id,
            source=EntitlementSource.SUBSCRIPTION,
            source_id="one",
            term=access.Term(now, now + timedelta(days=1), "Subscription"),
            now=now,
        )
        token = sign_in.begin_session(session, reader_id=reader.id, now=now)
    client.cookies.set("reader", token)
    return client


def test_a_visitor_reads_to_the_limit_and_is_told_everything_at_the_wall(
    client: TestClient, context: Context
) -> None:
    first, second, third = (ask(client, article) for article in ("a1", "a2", "node/3"))

    window_ends = start_of_day(month_bounds(month_of(context.clock.now()))[1]).isoformat()
    assert [body["meter"] for body in (first, second, third)] == [
        {"used": 1, "limit": 2, "remaining": 1, "resets_at": window_ends},
        {"used": 2, "limit": 2, "remaining": 0, "resets_at": window_ends},
        {"used": 2, "limit": 2, "remaining": 0, "resets_at": window_ends},
    ]
    assert third.pop("because").startswith("You have read your 2 free articles. The count restarts")
    del third["meter"]
    assert third == {
        "access": "denied",
        "reason": "limit_reached",
        "message": "You have reached the free limit. Subscribe to continue reading.",
        "offer": "From £2.99 a month. You can end it whenever you like.",
        "valid_until": window_ends,
        "links": {
            "subscribe": "http://localhost:8000/subscribe?source=node%2F3",
            "sign_in": "http://localhost:8000/sign-in?next=%2Fread%3Farticle%3Dnode%2F3",
            "support": "http://localhost:8000/support?source=node%2F3",
            "appeal": "http://localhost:8000/appeals/95th-anniversary",
            "shop": context.catalogue.shop.url,
            "give": "http://localhost:8000/give?article=node%2F3",
        },
    }
    assert (first["access"], first["reason"], first["message"]) == ("granted", "metered", None)


def test_a_subscriber_is_let_in_and_nothing_is_written_but_a_pass_is_given(
    subscriber: TestClient, context: Context
) -> None:
    answer = subscriber.get("/paywall/v1/check", params={"article": "a1"})
    body = answer.json()
    assert (body["access"], body["reason"], body["meter"]) == ("granted", "subscriber", None)
    assert body["message"] is None
    assert datetime.fromisoformat(body["valid_until"]) > context.clock.now()
    [cookie] = answer.headers.get_list("set-cookie")
    assert cookie.startswith("pass=ey")
    again = subscriber.get("/paywall/v1/check", params={"article": "a2"})
    assert "set-cookie" not in again.headers
    assert rows(context) == 0


def test_no_cache_may_keep_an_answer_whatever_it_is(client: TestClient) -> None:
    for query in ("?article=a1", "?article=a1", "", "?article="):
        headers = client.get(f"/paywall/v1/check{query}").headers
        assert headers["cache-control"] == "private, no-store"
        assert headers["vary"] == "Cookie, Origin"


def test_the_visitors_cookie_is_out_of_scripts_reach_and_dies_with_the_month(
    client: TestClient, context: Context
) -> None:
    answer = client.get("/paywall/v1/check", params={"article": "a1"})
    [cookie] = answer.headers.get_list("set-cookie")
    _, *flags = cookie.split("; ")
    lasts = next(int(flag[8:]) for flag in flags if flag.startswith("Max-Age="))
    ends = start_of_day(month_bounds(month_of(context.clock.now()))[1])
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(flags)
    assert lasts == pytest.approx((ends - context.clock.now()).total_seconds(), abs=10)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Purpose": "prefetch"},
        {"Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "prefetch"},
        {"X-Moz": "prefetch"},
    ],
)
def test_a_page_that_is_only_prepared_is_answered_and_not_counted(
    client: TestClient, context: Context, headers: dict[str, str]
) -> None:
    ask(client, "a1")
    for _ in range(2):
        assert ask(client, "a2", **headers)["reason"] == "prepared"
    assert ask(client, "a1", **headers)["reason"] == "reread"
    assert rows(context) == 0


def test_a_head_has_the_headers_of_an_answer_no_body_and_counts_nothing(
    client: TestClient, context: Context
) -> None:
    ask(client, "a1")
    answer = client.head("/paywall/v1/check", params={"article": "a2"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/json"
    assert "set-cookie" not in answer.headers
    assert rows(context) == 0


@pytest.mark.parametrize(
    "cookie", ["x", "a.b.c", '"quoted"', "%00", "\x7f", "é", "x" * 4000, "visitor=visitor"]
)
def test_a_mangled_cookie_is_a_new_visitor_and_never_an_error(
    client: TestClient, cookie: str
) -> None:
    header = f"visitor={cookie}; reader={cookie}".encode()
    answer = client.get("/paywall/v1/check?article=a1", headers={b"cookie": header})
    assert answer.status_code == 200
    assert answer.json()["meter"]["used"] == 1
    assert "visitor=" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "article_missing"),
        ("?articel=a1", "article_missing"),
        ("?article=", "article_unreadable"),
        ("?article=a1&article=a2", "article_unreadable"),
        ("?article=" + "x" * 201, "article_unreadable"),
        ("?article=a%20b", "article_unreadable"),
        ("?article=a%00", "article_unreadable"),
        ("?article=a%0A", "article_unreadable"),
        ("?article=%C3%A9", "article_unreadable"),
        ("?article=/a", "article_unreadable"),
        ("?article=a%3Futm_source%3Dx", "article_unreadable"),
    ],
)
def test_an_article_that_cannot_be_read_is_refused_with_the_cure(
    client: TestClient, context: Context, query: str, code: str
) -> None:
    answer = client.get(f"/paywall/v1/check{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code
    assert "?article=" in answer.json()["error"]["message"]
    assert rows(context) == 0


@pytest.mark.parametrize("article", ["a", "x" * 200, "node/4711", "2026-11-23_lead.story~2", "a:b"])
def test_any_stable_id_a_paper_uses_is_taken(client: TestClient, article: str) -> None:
    assert ask(client, article)["access"] == "granted"


def test_only_named_origins_may_read_the_answer_with_cookies(client: TestClient) -> None:
    def cors(origin: str) -> dict[str, str]:
        headers = client.get("/paywall/v1/check?article=a1", headers={"Origin": origin}).headers
        return {name: value for name, value in headers.items() if name.startswith("access-")}

    assert cors("https://evil.example") == {}
    assert cors("null") == {}
    assert cors(ORIGIN) == {
        "access-control-allow-origin": ORIGIN,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET, HEAD, OPTIONS",
    }


def test_other_methods_are_told_which_to_use(client: TestClient) -> None:
    assert client.options("/paywall/v1/check").status_code == 204
    answer = client.post("/paywall/v1/check?article=a1")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_two_people_through_one_client_are_never_mixed_up(client: TestClient) -> None:
    ask(client, "a1")
    first = client.cookies["visitor"]
    client.cookies.clear()
    ask(client, "a1")
    second = client.cookies["visitor"]
    client.cookies.clear()
    for visitor in (first, second, first, second):
        ask(client, f"for-{visitor[-4:]}", cookie=f"visitor={visitor}")
        client.cookies.clear()
    assert ask(client, "a9", cookie=f"visitor={first}")["reason"] == "limit_reached"
    assert ask(client, "a1", cookie=f"visitor={second}")["reason"] == "reread"


def test_the_openapi_document_tells_of_the_check_and_of_every_reason(client: TestClient) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/paywall/v1/check"]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema["properties"]["reason"]["enum"] == [reason.value for reason in Reason]
    assert sorted(ask(client)) == schema["required"]
    assert sorted(ask(client)["links"]) == schema["properties"]["links"]["required"]


def test_a_front_page_of_many_articles_is_one_look_counts_nothing_and_draws_each(
    client: TestClient, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(client, "a1")
    ask(client, "a2")
    looks: list[object] = []
    run = Connection.run

    def counted(connection: Connection, statement: Any, **given: Any) -> Any:
        looks.append(statement)
        return run(connection, statement, **given)

    monkeypatch.setattr(Connection, "run", counted)
    many = [f"article=a{number}" for number in range(1, 101)]
    answer = client.get("/paywall/v1/front?" + "&".join(many), headers={"Cookie": "reader=gone"})
    told = answer.json()["articles"]
    assert len(told) == 100
    assert told["a1"]["reason"] == "metered", "whoever brings no cookie of ours is a stranger"
    assert len(looks) <= 2
    mine = client.get("/paywall/v1/front?article=a1&article=a3&article=a3").json()["articles"]
    assert {article: each["reason"] for article, each in mine.items()} == {
        "a1": "reread",
        "a3": "limit_reached",
    }
    assert rows(context) == 2
    too_many = client.get("/paywall/v1/front?" + "&".join([*many, "article=b"]))
    assert too_many.json()["error"]["code"] == "too_many_articles"


def test_only_the_papers_server_says_how_an_article_is_flagged(client: TestClient) -> None:
    by_key = {"Authorization": f"Bearer {KEY}"}
    asked = {"article": "a1", "flag": "locked"}
    assert client.get("/paywall/v1/check", params=asked).status_code == 403
    wrong = client.get("/paywall/v1/check", params=asked, headers={"Authorization": "Bearer x"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "key_unknown")
    locked = client.get("/paywall/v1/check", params=asked, headers=by_key).json()
    assert (locked["access"], locked["reason"]) == ("denied", "locked")
    free = client.get("/paywall/v1/check", params=asked | {"flag": "free"}, headers=by_key).json()
    assert (free["access"], free["reason"], free["meter"]) == ("granted", "free", None)
    odd = client.get("/paywall/v1/check", params=asked | {"flag": "x"}, headers=by_key)
    assert odd.json()["error"]["code"] == "flag_unreadable"
    front = client.get("/paywall/v1/front?article=a1&free=a2&locked=a3", headers=by_key).json()
    assert [each["reason"] for each in front["articles"].values()] == ["metered", "free", "locked"]


def test_nginx_is_answered_by_status_and_headers_alone(
    client: TestClient, subscriber: TestClient
) -> None:
    granted = subscriber.get("/paywall/v1/auth?article=a1")
    assert (granted.status_code, granted.content) == (204, b"")
    assert granted.headers["x-paywall-variant"] == "full"
    assert len(granted.headers.get_list("set-cookie")) == 1
    client.cookies.clear()
    for article in ("a1", "a2"):
        read = client.get("/paywall/v1/auth", headers={"X-Original-URI": f"/read/{article}?x=1"})
        assert (read.status_code, read.headers["x-paywall-reason"]) == (204, "metered")
    refused = client.get("/paywall/v1/auth", headers={"X-Original-URI": "/read/a3"})
    assert refused.status_code == 401
    assert refused.headers["x-paywall-access"] == "denied"
    assert refused.headers["x-paywall-remaining"] == "0"
    for wrong in ({"X-Original-URI": "/elsewhere/a1"}, {}, {"X-Article-Flag": "free"}):
        answer = client.get("/paywall/v1/auth", headers=wrong)
        assert (answer.status_code, answer.headers["x-paywall-access"]) == (403, "denied")
    assert client.options("/paywall/v1/auth").status_code == 403
    assert client.post("/paywall/v1/auth?article=a1").status_code == 403


def test_a_fault_of_ours_is_no_readers(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Wall, "recall", broken)
    assert ask(client)["reason"] == "outage"
    assert client.get("/paywall/v1/auth?article=a1").status_code == 204
