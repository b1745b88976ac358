"""What no webhook brought is found in Stripe's own list: all of it, and once."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from billing import tasks
from billing.clock import Clock
from billing.context import Context
from billing.errors import KeyRefusedError, StripeUnavailableError
from billing.models import (
    Cursor,
    Donation,
    Feed,
    ObjectLease,
    OwedState,
    Repair,
    StripeEvent,
    Task,
)
from billing.reconciliation import rounds
from billing.stripe_gateway import events as listing
from tests.support.stripe import LocalStripe
from tests.webhooks.heard import give, handle_all, receive, said
from webhooks.dispatch import TYPES
from webhooks.poll import LISTED_FOR, poll_events


def heard(context: Context) -> dict[str, Feed]:
    with context.db.reading() as session:
        rows = session.scalars(sa.select(StripeEvent))
        return {row.event_id: row.feed for row in rows}


def sent(stripe: LocalStripe) -> list[dict[str, Any]]:
    """Return what Stripe has said that an endpoint of ours is sent."""
    return [each for each in said(stripe) if each["type"] in TYPES]


def a_crowd(stripe: LocalStripe, people: int) -> None:
    for _ in range(people):
        stripe.client.v1.customers.create({"name": "A Reader"})


def test_with_every_webhook_dropped_the_list_brings_what_happened_once(
    context: Context, stripe: LocalStripe
) -> None:
    give(context, stripe)
    stripe.advance(seconds=180)
    there = {each["id"] for each in sent(stripe)}

    assert poll_events(context) == len(there)
    assert heard(context) == dict.fromkeys(there, Feed.EVENTS)
    handle_all(context)
    assert poll_events(context) == 0

    with context.db.reading() as session:
        assert session.scalars(sa.select(Donation.amount)).all() == [25_00]
        found = session.scalars(sa.select(Repair)).all()
        states = set(session.scalars(sa.select(StripeEvent.state)))
    assert {(repair.feed, repair.kind) for repair in found} == {(Feed.EVENTS, "checkout")}
    assert states == {OwedState.DONE}


def test_what_a_webhook_brought_stays_the_webhooks(context: Context, stripe: LocalStripe) -> None:
    give(context, stripe)
    everything = sent(stripe)
    receive(context, *everything[1:])
    stripe.advance(seconds=180)

    assert poll_events(context) == 1

    told = heard(context)
    assert told.pop(everything[0]["id"]) is Feed.EVENTS
    assert set(told.values()) == {Feed.WEBHOOK}
    receive(context, *everything)  # and a webhook that comes after all adds nothing
    assert len(heard(context)) == len(everything)


def test_what_no_webhook_of_ours_is_sent_is_not_called_missed(
    context: Context, stripe: LocalStripe
) -> None:
    give(context, stripe)
    receive(context, *sent(stripe))
    stripe.advance(seconds=180)
    assert {each["type"] for each in said(stripe)} - set(TYPES) == {"payment_intent.created"}

    assert poll_events(context) == 0

    assert set(heard(context).values()) == {Feed.WEBHOOK}


def test_a_webhook_that_may_still_be_on_its_way_is_not_called_missed(
    context: Context, stripe: LocalStripe
) -> None:
    give(context, stripe)
    assert poll_events(context) == 0  # it is minutes old at most

    stripe.advance(days=1)  # nothing of ours worked meanwhile: whatever there is may come at once
    assert poll_events(context) == 0

    stripe.advance(seconds=180)
    assert poll_events(context) == len(sent(stripe))


def test_many_pages_are_read_to_the_end_each_event_byte_for_byte(
    context: Context, stripe: LocalStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_crowd(stripe, 5)
    stripe.advance(seconds=180)
    monkeypatch.setattr(listing, "_PAGE", 2)

    poll_events(context)

    whole = str(context.gateway.client.raw_request("get", "/v1/events", limit=100).body)
    with context.db.reading() as session:
        bodies = [row.body.decode() for row in session.scalars(sa.select(StripeEvent))]
    assert len(bodies) == len(json.loads(whole)["data"]) > 4
    assert [body for body in bodies if body not in whole] == []


def test_pages_that_failed_are_read_again_and_what_came_before_is_kept(
    context: Context, stripe: LocalStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_crowd(stripe, 5)
    stripe.advance(seconds=180)
    monkeypatch.setattr(listing, "_PAGE", 2)
    # A refusal for asking too often is not asked again by the SDK: one fault, one page.
    stripe.control("fail_next", method="GET", path_prefix="/v1/events", status=429, times=1)
    with pytest.raises(StripeUnavailableError):
        poll_events(context)
    with context.db.reading() as session:
        assert (
            session.scalars(sa.select(Cursor.name).where(Cursor.name.like("events%"))).all() == []
        )

    assert poll_events(context) == len(sent(stripe))


def test_a_clock_of_ours_that_is_ahead_of_stripes_skips_nothing(
    context: Context, stripe: LocalStripe, tmp_path: Path
) -> None:
    ahead = tmp_path / "ahead"
    ahead.write_text(str(int(timedelta(days=2).total_seconds())))
    context = replace(context, clock=Clock(ahead))
    a_crowd(stripe, 1)
    first = poll_events(context)

    a_crowd(stripe, 1)

    assert (first > 0, poll_events(context)) == (True, 1)


def test_an_event_that_comes_late_into_the_list_is_still_found(
    context: Context, stripe: LocalStripe
) -> None:
    a_crowd(stripe, 2)
    stripe.advance(seconds=180)
    poll_events(context)
    late = said(stripe)[0]["id"]
    with context.db.unit_of_work() as session:  # as if the list had not had it yet
        session.execute(sa.delete(StripeEvent).where(StripeEvent.event_id == late))

    assert poll_events(context) == 1


def test_after_a_gap_longer_than_stripe_lists_events_everything_is_compared_and_loudly(
    context: Context, stripe: LocalStripe
) -> None:
    poll_events(context)
    give(context, stripe)
    stripe.advance(days=LISTED_FOR.days + 1)

    with capture_logs() as logs:
        for _ in range(2):
            poll_events(context)
            rounds.make_up_for_a_gap(context)

    with context.db.reading() as session:
        (task,) = session.scalars(sa.select(Task).where(Task.kind == "long-gap"))
        assert session.scalars(sa.select(Donation.amount)).all() == [25_00]
        assert Feed.SWEEP in session.scalars(sa.select(Repair.feed)).all()
    assert "what was said before that is lost" in task.detail
    assert [one["log_level"] for one in logs if one["event"] == "events lost"] == ["error"]


def test_a_gap_is_made_up_for_once_though_the_list_cannot_be_read_for_longer(
    context: Context, stripe: LocalStripe
) -> None:
    poll_events(context)
    stripe.advance(days=LISTED_FOR.days + 1)
    compared = []
    for _ in range(3):
        stripe.control("fail_next", method="GET", status=403, path_prefix="/v1/events", times=1)
        with pytest.raises(KeyRefusedError):
            poll_events(context)
        compared.append(rounds.make_up_for_a_gap(context) is not None)

    assert compared == [True, False, False]


def test_a_comparison_that_stripe_breaks_off_is_begun_again(
    context: Context, stripe: LocalStripe
) -> None:
    poll_events(context)
    give(context, stripe)
    stripe.advance(days=LISTED_FOR.days + 1)
    poll_events(context)
    stripe.control("fail_next", method="GET", status=429, times=1)

    broken_off, whole = rounds.make_up_for_a_gap(context), rounds.make_up_for_a_gap(context)

    assert broken_off is not None
    assert broken_off.stopped != ""
    assert whole is not None
    assert whole.stopped == ""
    assert rounds.make_up_for_a_gap(context) is None

    with context.db.reading() as session:
        assert session.scalars(sa.select(Donation.amount)).all() == [25_00]


def test_a_gap_of_which_something_could_not_be_looked_at_is_not_made_up_for_and_told(
    context: Context, stripe: LocalStripe
) -> None:
    poll_events(context)
    give(context, stripe)
    stripe.advance(days=LISTED_FOR.days + 1)
    poll_events(context)
    intent = stripe.client.v1.payment_intents.list().data[0].id
    with context.db.unit_of_work() as session:
        until = context.clock.now() + timedelta(minutes=30)
        held = {"object_id": intent, "fence": 1, "leased_until": until}
        session.execute(sa.insert(ObjectLease).values(**held))

    first = rounds.make_up_for_a_gap(context)

    assert first is not None
    assert f"payment:{intent}" in first.failed
    with context.db.reading() as session:
        assert tasks.is_open(session, "gap-not-whole", subject="gap")
    assert rounds.make_up_for_a_gap(context) is None  # not again at once
    stripe.advance(seconds=25 * 3600)
    again = rounds.make_up_for_a_gap(context)
    assert again is not None
    assert again.failed == {}
    with context.db.reading() as session:
        assert session.scalars(sa.select(Donation.amount)).all() == [25_00]
        assert not tasks.is_open(session, "gap-not-whole", subject="gap")
    assert rounds.make_up_for_a_gap(context) is None


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"data": {}}', '{"data": [', '{"data": [5]}', '{"data": [{}]}']
)
def test_what_is_no_list_of_events_is_no_answer(body: str) -> None:
    with pytest.raises(StripeUnavailableError):
        listing._as_written(body)


@pytest.mark.parametrize(
    "members",
    [
        [],
        [
            '{"id":"evt_1","created":0,"odd":  "]} \\" ,"}',
            '{ "id": "e_2", "created": 5, "n":1.50 }',
        ],
    ],
)
@pytest.mark.parametrize("between", [",", " ,\n  "])
def test_members_are_cut_out_as_they_were_written(members: Sequence[str], between: str) -> None:
    body = '{"object":"list","url":"/v1/events","data" : [ ' + between.join(members) + ' ], "x": 1}'

    found = listing._as_written(body)

    assert [one.body.decode() for one in found] == list(members)
    assert [one.created for one in found][1:] == [
        datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC) for _ in members[1:]
    ]


def test_an_event_listed_that_cannot_be_read_holds_up_no_other(
    context: Context, stripe: LocalStripe
) -> None:
    a_crowd(stripe, 2)
    broken: Any = said(stripe)[-1]["id"]
    stripe.rewrite(broken, type="Not A Type")
    stripe.advance(seconds=180)

    assert poll_events(context) == len(said(stripe)) - 1

    with context.db.reading() as session:
        (task,) = session.scalars(sa.select(Task).where(Task.kind == "unreadable-event"))
    assert task.subject == broken
