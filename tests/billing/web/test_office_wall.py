"""The office's page of the paywall, through the front door."""

import time
from dataclasses import replace

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from pydantic import SecretStr

from billing.access import break_glass
from billing.context import Context
from billing.models import AuditRecord, BreakGlass, OpenTo, Role
from billing.web.render import write_moment
from service.app import build
from tests.billing.web.test_office import cells, enter
from tests.support.pages import Page

PAGE = "/office/wall"
FORM = {"open_to": "everyone", "hours": "3", "reason": "A <fault> of ours"}


def openings(context: Context) -> list[BreakGlass]:
    with context.db.reading() as session:
        return list(break_glass.lately(session, most=10))


@pytest.mark.parametrize("role", [Role.ADMIN, Role.EDITOR])
def test_the_paper_is_opened_and_closed_by_somebody_with_a_name(
    client: TestClient, context: Context, role: Role
) -> None:
    who = enter(client, context, role)
    assert "Readers read by their rights" in client.get(PAGE).text

    answer = client.post(f"{PAGE}/open", data=FORM)

    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    [opening] = openings(context)
    page = Page(client.get(PAGE).text)
    assert "The paper is open" in page.titles("h2")
    assert f"To everyone, until {write_moment(opening.ends_at)}." in page.words
    assert "by Rosa: A <fault> of ours" in page.words
    assert page.form(f"{PAGE}/close").buttons == ["Close the paper now"]

    for _ in range(2):
        assert client.post(f"{PAGE}/close").headers["location"] == PAGE

    [closed] = openings(context)
    page_text = client.get(PAGE).text
    assert "Readers read by their rights" in page_text
    assert cells(page_text)[1] == [
        write_moment(closed.starts_at),
        write_moment(closed.ends_at),
        "everyone",
        "A <fault> of ours",
        "Rosa",
        f"Closed by Rosa; it was to end {write_moment(opening.ends_at)}",
    ]
    with context.db.reading() as session:
        said = session.execute(
            sa.select(AuditRecord.actor, AuditRecord.action)
            .where(AuditRecord.subject == f"opening:{opening.id}")
            .order_by(AuditRecord.id)
        ).all()
    assert said == [(who, "paper opened"), (who, "paper closed")]


def test_the_wall_itself_opens_and_closes_within_a_second_or_so_of_the_switch(
    client: TestClient, context: Context
) -> None:
    enter(client, context, Role.EDITOR)

    def answers_with(reason: str) -> bool:
        """Wait until the check gives this reason to a stranger; a little is remembered."""
        for _ in range(40):
            client.cookies.delete("visitor")
            said = client.get("/paywall/v1/check", params={"article": "a1"}).json()
            if said["reason"] == reason:
                return True
            time.sleep(0.05)
        return False

    assert answers_with("metered")
    client.post(f"{PAGE}/open", data=FORM)
    assert answers_with("break_glass")
    client.post(f"{PAGE}/close")
    assert answers_with("metered")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"open_to": ""}, "Choose for whom the paper is to open."),
        ({"hours": "0"}, "Choose between 1 and 168 hours."),
        ({"hours": "ten"}, "Choose between 1 and 168 hours."),
        ({"hours": "169"}, "Choose between 1 and 168 hours."),
        ({"reason": " "}, "Say why, in at most 300 letters."),
    ],
)
def test_what_will_not_do_is_said_in_words_and_nothing_typed_is_lost(
    client: TestClient, context: Context, changed: dict[str, str], says: str
) -> None:
    enter(client, context, Role.EDITOR)
    typed = {**FORM, **changed}

    answer = client.post(f"{PAGE}/open", data={k: v for k, v in typed.items() if v})

    assert answer.status_code == 422
    page = Page(answer.text)
    assert says in page.words
    fields = page.form(f"{PAGE}/open").fields
    assert (fields["hours"], fields["reason"]) == (typed["hours"], typed["reason"])
    assert fields["open_to"] == typed["open_to"]
    assert openings(context) == []


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.FINANCE, Role.AUDITOR])
def test_who_may_not_open_the_paper_sees_how_it_stands_and_no_button(
    client: TestClient, context: Context, role: Role
) -> None:
    enter(client, context, Role.EDITOR)
    client.post(f"{PAGE}/open", data=FORM)
    enter(client, context, role)

    page = Page(client.get(PAGE).text)

    assert "The paper is open" in page.titles("h2")
    assert [form.action for form in page.forms] == ["/office/sign-out"]
    assert client.post(f"{PAGE}/open", data=FORM).status_code == 403
    assert client.post(f"{PAGE}/close").status_code == 403
    assert [(each.closed_at, each.open_to) for each in openings(context)] == [
        (None, OpenTo.EVERYONE)
    ]


def test_a_stranger_and_a_form_from_elsewhere_change_nothing(
    client: TestClient, context: Context
) -> None:
    for path in ("/open", "/close"):
        assert client.post(PAGE + path, data=FORM).headers["location"].startswith("/office/sign-in")
    enter(client, context, Role.ADMIN)
    elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert client.post(f"{PAGE}/open", data=FORM, headers=elsewhere).status_code == 403
    assert openings(context) == []


def test_what_is_set_is_said_in_words(client: TestClient, context: Context) -> None:
    enter(client, context, Role.AUDITOR)
    as_delivered = Page(client.get(PAGE).text).words
    for words in (
        "20 each calendar month (London) for a visitor; as many for a reader who is signed in.",
        "Each lasts 5 minutes, and is not taken back before.",
        "Are asked for a right like anybody else.",
        "None: every article is metered.",
        "At the check and for front pages everybody reads; at the door of nginx everybody reads.",
    ):
        assert words in as_delivered

    paywall = context.settings.paywall.model_copy(
        update={
            "limit": 0,
            "reader_limit": 4,
            "grace_days": 1,
            "pass_minutes": 0,
            "crawlers": ("google.com", "googlebot.com"),
            "keys": (SecretStr("the-papers-own-key-the-papers-own-key"),),
            "check_when_down": "passes",
            "auth_when_down": "closed",
        }
    )
    settings = context.settings.model_copy(update={"paywall": paywall})
    app = build(replace(context, settings=settings))
    with TestClient(app, base_url="http://localhost:8000") as other:
        other.cookies.update(client.cookies)
        page = other.get(PAGE)
    words = Page(page.text).words
    for each in (
        "None for a visitor; 4 for a reader who is signed in.",
        "1 day of grace; a renewal has 24 hours to reach us.",
        "None are given.",
        "Read everything when their name servers are google.com, googlebot.com.",
        "1. Whoever asks with one may mark",
        "only whoever holds a valid reader pass reads; at the door of nginx nobody reads but",
    ):
        assert each in words
    assert "the-papers-own-key" not in page.text
