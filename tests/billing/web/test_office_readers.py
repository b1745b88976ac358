"""The office's pages of readers, through the front door."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing import access, readers
from billing.access import Term, break_glass
from billing.clock import LONDON, accounting_day
from billing.context import Context
from billing.models import (
    AuditRecord,
    Customer,
    Entitlement,
    EntitlementSource,
    OpenTo,
    Reader,
    Role,
)
from billing.web.render import write_moment
from tests.billing.web.test_office import enter
from tests.support.pages import Page

DAY = timedelta(days=1)
MAY_GIVE = [Role.SUPPORT, Role.EDITOR, Role.ADMIN]
COMP = {"source": "comp", "since": "", "until": "", "reason": "Wrote <for> us"}


@pytest.fixture
def reader(context: Context) -> Reader:
    """Somebody who has proved an address, and is a customer at Stripe."""
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        made = readers.create(session, now=now - 100 * DAY, email="clara@example.org")
        made.email_verified_at = now - 99 * DAY
        session.add(Customer(stripe_customer_id="cus_clara", reader_id=made.id, created_at=now))
    return made


def rows(context: Context) -> list[Entitlement]:
    with context.db.reading() as session:
        return list(session.scalars(sa.select(Entitlement).order_by(Entitlement.recorded_at)))


def know(context: Context, reader_id: UUID, term: Term, *, recorded_at: datetime) -> None:
    with context.db.unit_of_work() as session:
        access.grant(
            session,
            reader_id=reader_id,
            source=EntitlementSource.SEAT,
            source_id="seat",
            term=term,
            now=recorded_at,
        )


def typed(moment: datetime) -> str:
    """Write a moment as the form's field does."""
    return moment.astimezone(LONDON).strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize("name", ["clara@example.org", " CLARA@example.org ", "cus_clara", "id"])
@pytest.mark.parametrize("way", ["typed", "linked"])
def test_a_reader_is_found_by_what_staff_have_at_hand(
    client: TestClient, context: Context, reader: Reader, name: str, way: str
) -> None:
    enter(client, context, Role.AUDITOR)
    asked = {"q": str(reader.id) if name == "id" else name}

    found = (
        client.post("/office/readers", data=asked)
        if way == "typed"
        else client.get("/office/readers", params=asked)
    )

    assert (found.status_code, found.headers["location"]) == (303, f"/office/readers/{reader.id}")
    page = Page(client.get(found.headers["location"]).text)
    assert page.titles("h1") == ["clara@example.org"]


def test_who_is_unknown_is_said_to_be_and_an_empty_question_only_shows_the_form(
    client: TestClient, context: Context
) -> None:
    enter(client, context, Role.AUDITOR)
    with context.db.unit_of_work() as session:
        readers.create(session, now=context.clock.now(), email="typed@example.org")

    empty = client.get("/office/readers")
    nobody = client.post("/office/readers", data={"q": "typed@example.org"})

    assert (empty.status_code, "Nobody is known" in empty.text) == (200, False)
    assert (nobody.status_code, "Nobody is known by that" in nobody.text) == (404, True)
    assert Page(nobody.text).form("/office/readers").fields == {"q": "typed@example.org"}


@pytest.mark.parametrize("role", MAY_GIVE)
def test_a_comp_is_given_shown_by_both_clocks_and_ended_by_somebody_with_a_name(
    client: TestClient, context: Context, reader: Reader, role: Role
) -> None:
    who = enter(client, context, role)
    address = f"/office/readers/{reader.id}"
    today = accounting_day(context.clock.now())
    asked = {**COMP, "since": str(today - 30 * DAY), "until": str(today + 30 * DAY)}

    given = client.post(f"{address}/rights", data=asked)

    assert (given.status_code, given.headers["location"]) == (303, f"{address}#rights")
    [row] = rows(context)
    page = Page(client.get(address).text)
    assert "Let in: comp. Staff gave access without a payment." in page.words
    both = f"{write_moment(row.starts_at)} {write_moment(row.ends_at or row.starts_at)}"
    assert f"Comp holds End it now : Comp, Wrote <for> us {both}" in page.words
    assert f"{write_moment(row.recorded_at)} stands Wrote <for> us Row {row.id}" in page.words
    assert f"Rosa Gave comp from {asked['since']} to {asked['until']} Wrote <for> us" in page.words

    end = f"{address}/rights/{row.id}/end"
    assert page.form(end).buttons == ["End it now: Comp, Wrote <for> us"]
    for _ in range(2):
        assert client.post(end).headers["location"] == f"{address}#rights"

    page = Page(client.get(address).text)
    assert "No right held." in page.words
    assert "Rosa Ended comp Wrote <for> us" in page.words
    assert end not in [form.action for form in page.forms]
    assert len(rows(context)) == 2
    with context.db.reading() as session:
        acts = session.execute(
            sa.select(AuditRecord.actor, AuditRecord.action)
            .where(AuditRecord.subject == f"reader:{reader.id}")
            .order_by(AuditRecord.id)
        ).all()
    assert acts == [(who, "access given"), (who, "access ended")]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"source": ""}, "Choose what kind of access it is."),
        ({"source": "subscription"}, "Staff give no access of this kind."),
        ({"reason": " "}, "Say why, in at most 300 letters."),
        ({"until": "2020-01-01"}, "The last day is before the first."),
        ({"until": "tomorrow"}, "Write a day like 2026-11-20."),
        ({"until": "9999-12-31"}, "Choose a day between 2000 and 2999."),
    ],
)
def test_a_comp_that_will_not_do_is_refused_in_words_and_nothing_typed_is_lost(
    client: TestClient, context: Context, reader: Reader, changed: dict[str, str], says: str
) -> None:
    enter(client, context, Role.SUPPORT)
    asked = {**COMP, **changed}

    answer = client.post(
        f"/office/readers/{reader.id}/rights", data={k: v for k, v in asked.items() if v}
    )

    assert answer.status_code == 422
    page = Page(answer.text)
    assert says in page.words
    fields = page.form(f"/office/readers/{reader.id}/rights").fields
    assert (fields["until"], fields["reason"]) == (asked["until"], asked["reason"])
    assert rows(context) == []


@pytest.mark.parametrize("role", [Role.FINANCE, Role.AUDITOR])
def test_who_only_looks_sees_the_rights_and_no_form(
    client: TestClient, context: Context, reader: Reader, role: Role
) -> None:
    address = f"/office/readers/{reader.id}"
    enter(client, context, Role.SUPPORT)
    client.post(f"{address}/rights", data=COMP)
    [row] = rows(context)
    enter(client, context, role)

    page = Page(client.get(address).text)

    assert "Comp holds" in page.words
    assert [form.action for form in page.forms] == ["/office/sign-out", f"{address}#then"]
    assert client.post(f"{address}/rights", data=COMP).status_code == 403
    assert client.post(f"{address}/rights/{row.id}/end").status_code == 403
    assert [each.ends_at for each in rows(context)] == [None]


def test_a_past_moment_is_explained_from_what_was_known_then(
    client: TestClient, context: Context, reader: Reader
) -> None:
    enter(client, context, Role.AUDITOR)
    now = context.clock.now()
    know(
        context, reader.id, Term(now - 50 * DAY, now + DAY, "Branch 7"), recorded_at=now - 40 * DAY
    )
    know(context, reader.id, Term(now - 50 * DAY, now, "Dropped"), recorded_at=now - 10 * DAY)

    def asked(at: datetime) -> str:
        page = client.get(f"/office/readers/{reader.id}", params={"at": typed(at)})
        assert page.status_code == 200
        words = Page(page.text).words
        return words[words.index("What it answered") : words.index("All we ever knew")]

    before, between, after, coming = (asked(now - days * DAY) for days in (45, 20, 5, -30))
    assert "No right held." in before
    assert "No right was known then." in before
    assert "Let in: seat." in between
    assert "Seat held" in between
    assert "Branch 7" in between
    assert f"{write_moment(now - 40 * DAY)} {write_moment(now - 10 * DAY)}" in between
    assert "Dropped" not in between
    assert "Dropped" in after
    assert "Branch 7" not in after
    assert "This is yet to come" in coming


def test_an_opening_by_the_staff_is_told_of_whoever_it_let_in(
    client: TestClient, context: Context, reader: Reader
) -> None:
    enter(client, context, Role.AUDITOR)
    with context.db.unit_of_work() as session:
        break_glass.open_paper(
            session,
            open_to=OpenTo.EVERYONE,
            hours=1,
            reason="A fault",
            actor="command line",
            now=context.clock.now(),
        )

    words = Page(client.get(f"/office/readers/{reader.id}").text).words

    assert "Let in: break glass. Staff opened the paper by the switch in the office." in words
    assert "Opened by the staff to everyone:" in words


def test_what_was_answered_to_an_earlier_self_is_told_too(
    client: TestClient, context: Context, reader: Reader
) -> None:
    enter(client, context, Role.AUDITOR)
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        earlier = readers.create(session, now=now - 9 * DAY, email="clara@example.org")
    know(context, earlier.id, Term(now - 8 * DAY, now + DAY, "Branch 7"), recorded_at=now - 8 * DAY)
    with context.db.unit_of_work() as session:
        readers.verify_and_merge(session, "clara@example.org", now=now - 2 * DAY)

    answer = client.get(f"/office/readers/{earlier.id}", params={"at": typed(now - 5 * DAY)})

    words = Page(answer.text).words
    assert f"Our id {reader.id} Earlier also {earlier.id}" in words
    assert f"as reader {earlier.id} Let in: seat." in words
    assert f"Row {rows(context)[0].id}, of reader {earlier.id}" in words


@pytest.mark.parametrize(
    "at", ["yesterday", "0001-01-01T00:00", "9999-12-31T23:59", "2026-13-01T00:00", ""]
)
def test_what_is_no_moment_is_no_page_and_no_fault(
    client: TestClient, context: Context, reader: Reader, at: str
) -> None:
    enter(client, context, Role.AUDITOR)

    answer = client.get(f"/office/readers/{reader.id}", params={"at": at})

    assert answer.status_code == 422


def test_nobody_of_that_id_no_such_right_and_a_stranger(
    client: TestClient, context: Context, reader: Reader
) -> None:
    nobody = f"/office/readers/{uuid4()}"
    for path in ("/office/readers", nobody):
        assert client.get(path).headers["location"].startswith("/office/sign-in")
    end = f"/office/readers/{reader.id}/rights/{uuid4()}/end"
    assert client.post(end).headers["location"].startswith("/office/sign-in")
    enter(client, context, Role.ADMIN)

    assert client.get(nobody).status_code == 404
    assert client.get("/office/readers/clara").status_code == 404
    assert client.post(f"{nobody}/rights", data=COMP).status_code == 404
    assert client.post(end).status_code == 404


def test_a_moment_is_londons_in_summer_too(
    client: TestClient, context: Context, reader: Reader
) -> None:
    enter(client, context, Role.AUDITOR)
    summer = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)

    answer = client.get(f"/office/readers/{reader.id}", params={"at": "2026-07-01T10:00"})

    assert "1 July 2026, 10:00" in Page(answer.text).titles("h3")
    fields = Page(answer.text).form(f"/office/readers/{reader.id}#then").fields
    assert fields == {"at": typed(summer)} == {"at": "2026-07-01T10:00"}
