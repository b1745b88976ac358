"""Signing in through the pages, as a person without JavaScript does."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from httpx2 import Response

from billing import office, readers, sign_in
from billing.context import Context
from billing.models import Audience, OutboxMessage, Reader, Role, WebSession
from tests.support.pages import Page

ROSA = "rosa@example.org"


def ask(client: TestClient, email: str = ROSA, *, door: str = "/sign-in", to: str = "") -> Response:
    return client.post(door, data={"email": email, "next": to})


def mailed(context: Context) -> tuple[str, str]:
    """Return the path of the newest link mailed, and its code."""
    with context.db.reading() as session:
        mail = session.scalars(
            sa.select(OutboxMessage.payload)
            .where(OutboxMessage.kind == "sign_in")
            .order_by(OutboxMessage.id.desc())
        ).first()
    assert mail is not None
    return urlsplit(mail["link"]).path, mail["code"]


def signed_in_as(context: Context, client: TestClient) -> str:
    """Return the address a browser is signed in with, or ''."""
    token = client.cookies.get("reader") or ""
    with context.db.reading() as session:
        person = sign_in.session_person(session, token, now=context.clock.now())
        return person.email if isinstance(person, Reader) else ""


def add_clerk(context: Context) -> None:
    with context.db.unit_of_work() as session:
        office.add_staff(
            session,
            email="clerk@example.org",
            name="Clerk",
            role=Role.FINANCE,
            actor="tests",
            now=context.clock.now(),
        )


def test_from_the_form_through_the_mail_into_the_account(
    client: TestClient, context: Context
) -> None:
    form = Page(client.get("/sign-in?next=/subscribe").text).forms[-1]
    assert (form.method, form.action, form.buttons) == ("post", "/sign-in", ["Send me a link"])
    sent = client.post(form.action, data={**form.fields, "email": "Rosa@Example.org"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in/code")
    assert ROSA in Page(client.get("/sign-in/code").text).words

    link, _ = mailed(context)
    button = Page(client.get(link).text).forms[-1]
    assert (button.method, button.action, button.buttons) == ("post", link, ["Sign in"])
    entered = client.post(button.action)

    assert (entered.status_code, entered.headers["location"]) == (303, "/subscribe")
    assert signed_in_as(context, client) == ROSA
    [cookie] = [c for c in entered.headers.get_list("set-cookie") if c.startswith("reader=")]
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=5184000"} <= set(cookie.split("; "))


def test_scanners_may_open_the_link_as_often_as_they_like(
    client: TestClient, context: Context
) -> None:
    ask(client)
    link, _ = mailed(context)
    for _ in range(3):
        assert client.get(link).status_code == 200
        assert client.head(link).status_code in (200, 405)
    assert client.post(link).status_code == 303
    for again in (client.get(link), client.post(link)):
        assert again.status_code == 410
        assert "no longer works" in again.text
        assert "/sign-in" in Page(again.text).links


def test_the_code_signs_in_the_browser_that_asked_and_no_other(
    client: TestClient, context: Context
) -> None:
    ask(client)
    _, code = mailed(context)
    here = dict(client.cookies)

    client.cookies.clear()
    assert client.post("/sign-in/code", data={"code": code}).status_code == 422
    assert signed_in_as(context, client) == ""

    client.cookies.update(here)
    entered = client.post("/sign-in/code", data={"code": f"{code[:3]} {code[3:]}"})
    assert (entered.status_code, entered.headers["location"]) == (303, "/account")
    assert signed_in_as(context, client) == ROSA


def test_a_wrong_code_is_said_beside_the_field_and_its_try_is_kept(
    client: TestClient, context: Context
) -> None:
    ask(client)
    _, code = mailed(context)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for _ in range(5):
        answer = client.post("/sign-in/code", data={"code": wrong})
        assert answer.status_code == 422
        page = Page(answer.text)
        assert ("h2", "That code did not work") in page.headings
        [field] = [given for tag, given in page.tags if given.get("id") == "code"]
        assert field["aria-invalid"] == "true"
        assert field["autocomplete"] == "one-time-code"
    assert client.post("/sign-in/code", data={"code": code}).status_code == 422


@pytest.mark.parametrize("email", ["", "rosa", "rosa@", '"><script>alert(1)</script>'])
def test_what_is_no_address_is_said_beside_the_field_and_stays_there(
    client: TestClient, email: str
) -> None:
    answer = ask(client, email)
    page = Page(answer.text)
    assert answer.status_code == 422
    [field] = [given for tag, given in page.tags if given.get("id") == "email"]
    assert (field["value"], field["aria-invalid"], field["autocomplete"]) == (
        email,
        "true",
        "email",
    )
    assert "#email" in page.links
    assert "<script>" not in answer.text


def test_known_and_unknown_addresses_get_the_same_answer(
    client: TestClient, context: Context
) -> None:
    add_clerk(context)
    with context.db.unit_of_work() as session:
        readers.verify_and_merge(session, ROSA, now=context.clock.now())

    def answer(door: str, email: str) -> tuple[int, str, str]:
        client.cookies.clear()
        sent = ask(client, email, door=door)
        return sent.status_code, sent.headers.get("location", ""), sent.text

    assert answer("/sign-in", ROSA) == answer("/sign-in", "nobody@example.org")
    staff, stranger = (
        answer("/office/sign-in", email) for email in ("clerk@example.org", "no@example.org")
    )
    assert staff == stranger
    assert staff[0] == 200


def test_too_many_requests_are_told_when_to_try_again(client: TestClient, context: Context) -> None:
    for _ in range(5):
        assert ask(client).status_code == 303
    refused = ask(client)
    assert refused.status_code == 429
    assert re.search(r"try again after\s+<strong>\d+ \w+ \d{4}, \d\d:\d\d</strong>", refused.text)
    assert refused.headers["retry-after"].endswith("GMT")


@pytest.mark.parametrize("to", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_nobody_is_led_elsewhere_after_signing_in(
    client: TestClient, context: Context, to: str
) -> None:
    assert "evil" not in client.get("/sign-in", params={"next": to}).text
    ask(client, to=to)
    link, _ = mailed(context)
    assert client.post(link).headers["location"] == "/account"


def test_signing_out_ends_the_session_itself_and_not_only_the_cookie(
    client: TestClient, context: Context
) -> None:
    ask(client)
    client.post(mailed(context)[0])
    stolen = client.cookies["reader"]

    out = client.post("/sign-out")

    assert (out.status_code, out.headers["location"]) == (303, "/support")
    assert "reader" not in client.cookies
    assert any(line.startswith('pass=""') for line in out.headers.get_list("set-cookie"))
    client.cookies.set("reader", stolen)
    assert signed_in_as(context, client) == ""


def test_signing_in_again_gives_a_new_session_and_ends_the_old_one(
    client: TestClient, context: Context
) -> None:
    for _ in range(2):
        ask(client)
        client.post(mailed(context)[0])
    with context.db.reading() as session:
        assert len(session.scalars(sa.select(WebSession)).all()) == 1
    assert signed_in_as(context, client) == ROSA


def test_a_checkouts_reader_proves_their_own_address_here_and_keeps_what_they_paid(
    client: TestClient, context: Context
) -> None:
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        payer = readers.create(session, now=now, email="wallet@example.org")
        client.cookies.set("reader", sign_in.begin_session(session, reader_id=payer.id, now=now))
    ask(client)
    client.post(mailed(context)[0])
    with context.db.reading() as session:
        [reader] = session.scalars(sa.select(Reader).where(Reader.merged_into.is_(None)))
    assert (reader.id, reader.email) == (payer.id, ROSA)


def test_a_strangers_link_carries_nobody_off_to_the_strangers_account(
    client: TestClient, context: Context
) -> None:
    ask(client, "stranger@example.org")
    link, _ = mailed(context)
    client.cookies.clear()
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        payer = readers.create(session, now=now)
        client.cookies.set("reader", sign_in.begin_session(session, reader_id=payer.id, now=now))

    client.post(link)  # the victim is talked into pressing the button

    with context.db.reading() as session:
        victim = session.get_one(Reader, payer.id)
        assert (victim.merged_into, victim.email, victim.email_verified_at) == (None, "", None)


def test_what_was_read_before_signing_in_counts_afterwards(
    client: TestClient, context: Context
) -> None:
    client.get("/paywall/v1/check?article=a1")
    client.get("/paywall/v1/check?article=a2")
    ask(client)
    client.post(mailed(context)[0])
    body = client.get("/paywall/v1/check?article=a1").json()
    assert (body["reason"], body["meter"]["used"]) == ("reread", 2)


def test_another_sites_form_signs_nobody_in_or_out(client: TestClient, context: Context) -> None:
    ask(client)
    link, _ = mailed(context)
    elsewhere = {"Origin": "https://evil.example"}
    assert client.post(link, headers=elsewhere).status_code == 403
    client.post(link)
    assert client.post("/sign-out", headers=elsewhere).status_code == 403
    assert signed_in_as(context, client) == ROSA


def test_staff_sign_in_by_their_own_door_and_readers_do_not(
    client: TestClient, context: Context
) -> None:
    add_clerk(context)
    ask(client, "clerk@example.org", door="/office/sign-in", to="/office/receipts")
    link, code = mailed(context)
    assert (link.startswith("/office/sign-in/"), code) == (True, "")
    assert client.post(link.removeprefix("/office")).status_code == 410

    assert Page(client.get(link).text).forms[-1].action == link
    entered = client.post(link)

    assert (entered.status_code, entered.headers["location"]) == (303, "/office/receipts")
    [cookie] = [c for c in entered.headers.get_list("set-cookie") if c.startswith("staff=")]
    assert {"HttpOnly", "Max-Age=43200"} <= set(cookie.split("; "))
    assert signed_in_as(context, client) == ""

    assert client.post("/office/sign-out").headers["location"] == "/office/sign-in"
    with context.db.reading() as session:
        assert session.scalars(sa.select(WebSession)).all() == []


def test_a_link_of_somebody_who_left_the_office_opens_nothing(
    client: TestClient, context: Context
) -> None:
    add_clerk(context)
    ask(client, "clerk@example.org", door="/office/sign-in")
    with context.db.unit_of_work() as session:
        clerk = office.find_staff(session, "clerk@example.org")
        assert clerk is not None
        clerk.active = False
    assert client.post(mailed(context)[0]).status_code == 410
    assert "staff" not in client.cookies


def test_a_link_is_too_old_after_twenty_minutes_and_says_so(
    client: TestClient, context: Context
) -> None:
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        _, token = sign_in.issue(
            session,
            context.settings,
            audience=Audience.READER,
            email=ROSA,
            now=now - timedelta(minutes=21),
        )
    assert client.get(f"/sign-in/{token}").status_code == 410
    assert client.post(f"/sign-in/{token}").status_code == 410


def test_a_link_says_whose_account_it_opens_before_anybody_presses(
    client: TestClient, context: Context
) -> None:
    with context.db.unit_of_work() as session:
        _, token = sign_in.issue(
            session,
            context.settings,
            audience=Audience.READER,
            email="rosa@example.org",
            now=context.clock.now(),
        )

    assert "as <strong>rosa@example.org</strong>" in client.get(f"/sign-in/{token}").text
