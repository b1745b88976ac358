"""The office's page about Stripe, through the front door."""

from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing import reconciliation
from billing.context import Context
from billing.models import (
    AuditRecord,
    Command,
    CommandState,
    Feed,
    ForeignObject,
    OwedState,
    Repair,
    Role,
    StripeEvent,
    Verification,
)
from billing.reconciliation.health import Heard
from billing.web.render import write_moment
from tests.billing.web.test_office import enter
from tests.support.deliveries import work_off

PAGE = "/office/stripe"


def an_event(context: Context, event_id: str, *, hours: int = 0, **changed: object) -> None:
    """Store an event heard some hours ago."""
    at = context.clock.now() - timedelta(hours=hours)
    values: dict[str, object] = {
        "type": "invoice.paid",
        "object_id": "in_1",
        "livemode": False,
        "created_at": at,
        "received_at": at,
        "headers": {},
        "body": b'{"id":"evt_parked","object":"event","type":"x.y","livemode":false}',
        "outcome": "applied",
        "state": OwedState.DONE,
        "run_at": at,
    }
    with context.db.unit_of_work() as session:
        session.add(StripeEvent(event_id=event_id, **{**values, **changed}))


def a_parked_event(context: Context) -> None:
    an_event(
        context,
        "evt_parked",
        state=OwedState.PARKED,
        outcome="",
        attempts=12,
        last_error="UnknownReaderError: no reader for sub_1 <of> cus_1",
    )


def test_a_comparison_that_could_not_see_all_is_not_called_agreement(
    client: TestClient, context: Context
) -> None:
    with context.db.unit_of_work() as session:
        kept = Verification(at=context.clock.now(), differences=0, report={"whole": False})
        session.add(kept)
    enter(client, context, Role.EDITOR)

    page = client.get("/office/stripe").text

    assert "not all could be compared." in page
    assert "no difference." not in page


def test_the_page_says_how_well_we_hear_stripe(client: TestClient, context: Context) -> None:
    for number in range(7):
        an_event(context, f"evt_{number}", hours=number)
    an_event(context, "evt_found", feed=Feed.EVENTS)
    an_event(context, "evt_week", hours=40)
    an_event(context, "evt_old", hours=24 * 8)
    an_event(context, "evt_foreign", outcome="quarantined: test mode")
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        session.add_all(
            [
                Repair(at=now, feed=Feed.EVENTS, kind="payment", object_id="pi_1", found=[]),
                Repair(at=now, feed=Feed.SWEEP, kind="payment", object_id="pi_2", found=[]),
                Repair(at=now, feed=Feed.SWEEP, kind="payment", object_id="pi_3", found=[]),
                Verification(at=now, differences=2, report={}),
                ForeignObject(object_id="sub_9", kind="subscription", seen_at=now),
                Command(
                    id=uuid4(),
                    kind="refund",
                    subject="pi_1",
                    params={},
                    api_version="",
                    idempotency_key="k",
                    state=CommandState.UNKNOWN,
                    attempts=1,
                    last_error="no answer came",
                    created_at=now,
                ),
            ]
        )
    with context.db.reading() as session:
        found = reconciliation.health(session, now=context.clock.now())
    assert [(h.events, h.by_webhook, h.share) for h in found.heard] == [
        (8, 7, "87.5%"),
        (9, 8, "88.8%"),
    ]
    assert list(found.repairs) == [(Feed.EVENTS, 1), (Feed.SWEEP, 2)]
    assert list(found.foreign) == [("subscription", 1)]
    enter(client, context, Role.EDITOR)

    page = client.get(PAGE).text

    for words in (
        "87.5%", "2 differences.", "By comparing everything with Stripe", "no answer came",
        "refund for pi_1, asked 1 time since", "Subscription", "None. Whatever Stripe told us",
    ):  # fmt: skip
        assert words in page


@pytest.mark.parametrize(
    ("events", "by_webhook", "share"),
    [(0, 0, "none"), (10_000, 9_999, "99.9%"), (3, 3, "100%"), (3, 0, "0.0%")],
)
def test_all_is_all_and_nearly_all_is_not(events: int, by_webhook: int, share: str) -> None:
    assert Heard(timedelta(hours=24), events, by_webhook).share == share


def test_the_page_says_what_waits_and_since_when(client: TestClient, context: Context) -> None:
    for number in (1, 2):
        an_event(context, f"evt_{number}", hours=number, state=OwedState.READY, outcome="")
    enter(client, context, Role.EDITOR)

    page = client.get(PAGE).text

    since = context.clock.now() - timedelta(hours=2)
    assert f"2 events wait to be dealt with; the oldest was heard on {write_moment(since)}." in page
    assert "has been dealt with" not in page


def test_the_page_stands_before_anything_has_happened(client: TestClient, context: Context) -> None:
    enter(client, context)

    page = client.get(PAGE).text

    assert "No webhook of Stripe" in page
    assert "Nothing has been compared with Stripe yet." in page


@pytest.mark.parametrize("role", [Role.ADMIN, Role.FINANCE, Role.SUPPORT])
def test_an_event_set_aside_is_shown_with_its_reason_and_tried_again_by_somebody_with_a_name(
    client: TestClient, context: Context, role: Role
) -> None:
    a_parked_event(context)
    who = enter(client, context, role)
    page = client.get(PAGE).text
    assert "UnknownReaderError: no reader for sub_1 &lt;of&gt; cus_1" in page
    assert "About in_1 · tried 12 times" in page
    assert "Stripe (1 set aside)" in page

    for _ in range(2):
        answer = client.post(f"{PAGE}/events/evt_parked/try-again")
        assert (answer.status_code, answer.headers["location"]) == (303, PAGE)

    work_off(context)
    with context.db.reading() as session:
        row = session.scalars(sa.select(StripeEvent)).one()
        said = session.scalars(sa.select(AuditRecord.actor)).all()
    assert (row.state, row.attempts) == (OwedState.DONE, 1)
    assert [actor for actor in said if actor == who] == [who]


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.EDITOR])
def test_who_only_looks_sees_no_button_and_cannot_press_one(
    client: TestClient, context: Context, role: Role
) -> None:
    a_parked_event(context)
    enter(client, context, role)

    assert "try-again" not in client.get(PAGE).text
    assert client.post(f"{PAGE}/events/evt_parked/try-again").status_code == 403
    with context.db.reading() as session:
        assert session.scalars(sa.select(StripeEvent.state)).one() is OwedState.PARKED


def test_a_form_from_elsewhere_an_event_nobody_has_and_a_stranger_change_nothing(
    client: TestClient, context: Context
) -> None:
    a_parked_event(context)
    address = f"{PAGE}/events/evt_parked/try-again"
    assert client.post(address).headers["location"].startswith("/office/sign-in")
    enter(client, context)

    elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert client.post(address, headers=elsewhere).status_code == 403
    assert client.post(f"{PAGE}/events/evt_none/try-again").status_code == 404
    with context.db.reading() as session:
        assert session.scalars(sa.select(StripeEvent.state)).one() is OwedState.PARKED
