"""`billing explain`, `billing refund` and `billing wall`, as staff run them."""

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from billing import checkout, readers
from billing.access import comps
from billing.clock import LONDON, accounting_day
from billing.context import Context
from billing.models import (
    AuditRecord,
    Checkout,
    Entitlement,
    EntitlementSource,
    Subscription,
)
from tests.service.conftest import Run
from tests.support.stripe import LocalStripe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


def test_a_reader_is_explained_by_the_rows_that_let_them_in_and_their_payment_given_back(
    billing: Run, context: Context, stripe: LocalStripe
) -> None:
    started = checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=None, shown={}, caller=""
    )
    stripe.pay(started.url)
    with context.db.reading() as session:
        theirs = session.get_one(Checkout, started.checkout_id).stripe_session_id
    checkout.settle(context, str(theirs))
    with context.db.reading() as session:
        ours = session.scalars(sa.select(Subscription)).one()
    intent = stripe.client.v1.payment_intents.list().data[0].id

    said = billing("explain", ours.stripe_subscription_id, "--at", "2026-01-01T09:00").stdout
    then, now = said.split("as it is answered now")

    assert f"reader {ours.reader_id}" in then
    assert "as it was answered then, 01 January 2026, 09:00: free articles\n" in then
    assert "no right held; the free articles decided, and who read what is not kept" in then
    assert "no right was known" in then
    assert ": subscriber\n" in now
    assert "  A subscription at Stripe is paid, or its renewal may be on its way.\n" in now
    assert "  the reader is told: You are a subscriber. Thank you.\n" in now
    assert f"from {ours.stripe_subscription_id}, active now" in now

    unknown = billing("explain", "somebody@example.org")
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("billing: nobody is known as somebody@example.org; give")

    given = billing("refund", intent, "--amount", "1.50", "--reason", "a day was missing")
    assert given.stdout == f"£1.50 of {intent} goes back to the payer\n"
    assert [refund.amount for refund in stripe.client.v1.refunds.list().data] == [150]
    with context.db.reading() as session:
        record = session.scalars(sa.select(AuditRecord)).one()
    assert (record.actor, record.action) == ("command line", "refunded")
    assert record.detail == {"amount": 150, "reason": "a day was missing"}


def test_a_comp_dated_back_is_told_by_both_clocks_and_to_whom_she_was_before(
    billing: Run, context: Context
) -> None:
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        owner = readers.create(session, now=now - timedelta(days=9), email="clara@example.org")
        owner.email_verified_at = now - timedelta(days=9)
        typed = readers.create(session, now=now - timedelta(days=8), email="clara@example.org")
        comps.give(
            session,
            typed.id,
            source=EntitlementSource.COMP,
            since=date(2026, 1, 1),
            until=accounting_day(now),
            reason="Wrote for us",
            actor="staff:rosa",
            now=now - timedelta(days=6),
        )
    with context.db.unit_of_work() as session:
        readers.verify_and_merge(session, "clara@example.org", now=now - timedelta(days=2))
    with context.db.reading() as session:
        rows = session.scalars(sa.select(Entitlement).order_by(Entitlement.recorded_at)).all()
    when = [row.recorded_at.astimezone(LONDON).strftime("%d %B %Y, %H:%M") for row in rows]
    asked = (now - timedelta(days=4)).astimezone(LONDON).strftime("%Y-%m-%dT%H:%M")

    said = billing("explain", "clara@example.org", "--at", asked).stdout
    _, to_her, to_who_typed, of_now = said.split("\n\n")

    assert "no right was known" in to_her
    assert f"to reader {typed.id}, who is the same" in to_who_typed
    assert f"learned {when[0]}; superseded {when[1]}\n" in to_who_typed
    assert f"row {rows[0].id}" in to_who_typed
    assert "holds: comp, 01 January 2026, 00:00 to" in of_now
    assert f"learned {when[1]}; superseded never so far\n" in of_now
    assert f"row {rows[1].id}" in of_now

    to_come = billing("explain", "clara@example.org", "--at", "2999-01-01").stdout
    assert "as it will be answered then, 01 January 2999, 00:00: free articles" in to_come
    assert "does not hold: comp" in to_come


def test_the_paper_is_opened_looked_at_and_closed_from_the_command_line(
    billing: Run, context: Context
) -> None:
    shut = "the paper is not open; readers read by their rights and their free articles\n"
    assert billing("wall", "status").stdout == shut

    opened = billing("wall", "open", "--to", "everyone", "--hours", "2", "--reason", "A fault")
    assert opened.stdout.startswith("the paper is open to everyone until ")
    assert billing("wall", "status").stdout == opened.stdout.replace("\n", ": A fault\n")
    with context.db.unit_of_work() as session:
        nobody = readers.create(session, now=context.clock.now()).id
    explained = billing("explain", str(nobody)).stdout
    assert ": break_glass\n" in explained
    assert "  opened by the staff to everyone, " in explained

    assert billing("wall", "close").stdout == "the paper is closed again\n"
    assert billing("wall", "close").stdout == "the paper was not open\n"
    assert billing("wall", "status").stdout == shut
    with context.db.reading() as session:
        acts = session.execute(
            sa.select(AuditRecord.actor, AuditRecord.action).order_by(AuditRecord.id)
        ).all()
    assert acts == [("command line", "paper opened"), ("command line", "paper closed")]

    for arguments, says in (
        (("--to", "nobody", "--hours", "2"), "the paper opens to everyone or subscribers, not to"),
        (("--to", "everyone", "--hours", "200"), "Choose between 1 and 168 hours."),
    ):
        refused = billing("wall", "open", *arguments, "--reason", "A fault")
        assert (refused.returncode, says in refused.stderr) == (1, True)
