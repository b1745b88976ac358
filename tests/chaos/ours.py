"""What we hold, in the plain words the model uses of Stripe; and the one look at everything."""

import copy
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import reconciliation
from billing.checkout.tokens import return_token
from billing.context import Context
from billing.db import Base
from billing.models import (
    Checkout,
    Cursor,
    Dispute,
    Donation,
    Entitlement,
    EntitlementSource,
    Feed,
    JournalEntry,
    OutboxMessage,
    Payment,
    PaymentMethod,
    PaymentPurpose,
    PaymentStatus,
    Payout,
    Posting,
    Reader,
    Receipt,
    Refund,
    Subscription,
    SubscriptionStatus,
    Task,
)
from billing.notices import RefundMade
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.sweep import sweep
from tests.chaos import model
from webhooks import inbox

# What says who looks and when, and nothing of what we know.
_PASSING = set("object_lease heartbeat schedule cursor rate_limit stripe_event repair".split())
_FROM_STRIPE = (EntitlementSource.SUBSCRIPTION, EntitlementSource.GRACE)


def have_walked_once(context: Context) -> None:
    """Be a database that was there when the account was new, and no stranger to it."""
    with context.db.unit_of_work() as session:
        session.merge(Cursor(name="balance_transactions", at=context.clock.now()))


def token(context: Context, checkout_id: UUID) -> str:
    """Return what the address we gave Stripe for the way back holds."""
    return return_token(context.settings, checkout_id)


def reconcile(context: Context) -> None:
    """Look at everything once, by every way but the webhooks."""
    reconciliation.finish_commands(context)
    report = sweep(context, since=BEGINNING, feed=Feed.SWEEP)
    assert (report.stopped, report.failed, report.left) == ("", {}, 0), report
    reconciliation.poll_unfinished(context)
    reconciliation.poll_balance_transactions(context)


def work_off(context: Context) -> None:
    """Handle all that is due."""
    while inbox.handle_due(context, most=50):
        pass


def readers(context: Context) -> list[UUID]:
    """Return the readers we know, in the order we met them."""
    with context.db.reading() as session:
        known = sa.select(Reader.id).where(Reader.merged_into.is_(None))
        return list(session.scalars(known.order_by(Reader.created_at, Reader.id)))


def subscriptions(context: Context) -> list[tuple[UUID, UUID]]:
    """Return every subscription we know, with its reader."""
    with context.db.reading() as session:
        found = sa.select(Subscription.reader_id, Subscription.id)
        rows = session.execute(found.order_by(Subscription.started_at, Subscription.id))
        return [(reader_id, subscription_id) for reader_id, subscription_id in rows]


def paid(context: Context) -> list[tuple[str, int]]:
    """Return the payments of which something is left, and how much."""
    left = Payment.amount - Payment.refunded_amount
    found = sa.select(Payment.stripe_payment_intent_id, left).where(
        Payment.status == PaymentStatus.SUCCEEDED, left > 0
    )
    with context.db.reading() as session:
        rows = session.execute(found.order_by(Payment.created_at, Payment.stripe_payment_intent_id))
        return [(intent, int(amount)) for intent, amount in rows]


def unbalanced(session: Session) -> list[Any]:
    """Return the entries that do not sum to nothing: there are none."""
    entry = (Posting.entry_id, Posting.currency)
    sums = sa.select(*entry).group_by(*entry).having(sa.func.sum(Posting.amount) != 0)
    return list(session.execute(sums))


def booked(session: Session) -> dict[str, int]:
    """Return what each movement of Stripe's balance did to the account that mirrors it."""
    lines = (
        sa.select(JournalEntry.source_id, sa.func.sum(Posting.amount))
        .join(Posting, Posting.entry_id == JournalEntry.id)
        .where(JournalEntry.source_kind == "balance_transaction", Posting.account_code == "1240")
        .group_by(JournalEntry.source_id)
    )
    return {source: int(total) for source, total in session.execute(lines)}


def told_twice(session: Session) -> list[Any]:
    """Return the facts of which more than one mail is owed or sent: there are none."""
    fact = (OutboxMessage.kind, OutboxMessage.fact)
    return list(session.execute(sa.select(*fact).group_by(*fact).having(sa.func.count() > 1)))


def residuals(session: Session) -> dict[str, int | None]:
    """Return what each payout that is tied carries beyond the sum of its movements."""
    tied = sa.select(Payout).where(Payout.tied_at.is_not(None))
    return {row.stripe_payout_id: row.residual for row in session.scalars(tied)}


def ended(session: Session) -> set[str]:
    """Return the subscriptions which we say have ended."""
    over = [status for status in SubscriptionStatus if status.ended]
    found = sa.select(Subscription.stripe_subscription_id).where(Subscription.status.in_(over))
    return set(session.scalars(found))


def held_until(session: Session, *, now: int) -> dict[str, int]:
    """Return until when each subscription lets its reader in without a gap, where it does now."""
    instant = datetime.fromtimestamp(now, UTC)
    theirs = {
        str(ours): theirs
        for ours, theirs in session.execute(
            sa.select(Subscription.id, Subscription.stripe_subscription_id)
        )
    }
    rows = session.execute(
        sa.select(Entitlement.source_id, Entitlement.starts_at, Entitlement.ends_at)
        .where(
            Entitlement.source.in_(_FROM_STRIPE),
            Entitlement.superseded_at.is_(None),
            Entitlement.ends_at > instant,
        )
        .order_by(Entitlement.starts_at)
    )
    found: dict[str, int] = {}
    for source_id, starts_at, ends_at in rows:
        subscription, starts = theirs[source_id], int(starts_at.timestamp())
        if ends_at is not None and starts <= found.get(subscription, now):
            found[subscription] = max(int(ends_at.timestamp()), found.get(subscription, 0))
    return found


def receipts(session: Session) -> int:
    """Return how many receipts were given."""
    return int(session.scalar(sa.select(sa.func.count()).select_from(Receipt)) or 0)


def refunds_told(session: Session) -> set[str]:
    """Return the refunds of which a mail is owed or sent: one of each, and no more."""
    facts = session.scalars(
        sa.select(OutboxMessage.fact).where(OutboxMessage.kind == RefundMade.kind)
    ).all()
    told = {fact.removeprefix("refund:") for fact in facts}
    assert len(told) == len(facts), "a refund was told twice"
    return told


def sessions_of_a_checkout(stripe: model.Stripe) -> Counter[str]:
    """Return how many sessions Stripe holds for each checkout of ours."""
    return Counter(
        doc["client_reference_id"]
        for doc in stripe["checkout.session"]
        if doc["metadata"] and doc["metadata"].get("app") == model.APP
    )


def agree(context: Context, stripe: model.Stripe, now: int) -> None:
    """Compare everything we hold with what the model says we must."""
    may_read = {reader for reader, may in model.may_read(stripe, now).items() if may}
    with context.db.reading() as session:
        same("statuses", _statuses(session), model.statuses(stripe))
        same("prices", _prices(session), model.prices(stripe))
        same("scheduled ends", _ends(session), model.ends(stripe))
        same("who may read", _reads(session, now), dict.fromkeys(may_read, True))
        same("payments", _payments(session), model.payments(stripe))
        same("movements", booked(session), model.movements(stripe))
        same("gifts", _gifts(session), model.gifts(stripe))
        same("receipts", receipts(session), model.receipts(stripe))
        must, may = model.refunds_to_tell(stripe)
        told = refunds_told(session)
        assert must <= told <= may, f"refunds told: {told}, must {must}, may {may}"
        same("disputes", _disputes(session), model.disputes(stripe))
        asked = _disputes_for_staff(session)
        same("disputes for staff", asked, model.disputes_for_staff(stripe, now))
        same("payouts", _payouts(session), model.payouts(stripe))
        same("residuals", residuals(session), model.residuals(stripe))
        same("what is paid from", _paid_from(session), model.paid_from(stripe))
        same("checkouts", _checkouts(session), model.sessions(stripe))


def same(what: str, mine: object, theirs: object) -> None:
    """Fail where the two differ, and say in what."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        keys = mine.keys() | theirs.keys()
        apart = {k: (mine.get(k), theirs.get(k)) for k in keys if mine.get(k) != theirs.get(k)}
        assert not apart, f"{what}, ours and Stripe's: {apart}"
    assert mine == theirs, f"{what}: ours {mine}, Stripe's {theirs}"


def _statuses(session: Session) -> dict[str, str]:
    rows = session.execute(sa.select(Subscription.stripe_subscription_id, Subscription.status))
    return {subscription: str(status.value) for subscription, status in rows}


def _prices(session: Session) -> dict[str, tuple[str, int, str]]:
    rows = session.scalars(sa.select(Subscription)).all()
    return {
        row.stripe_subscription_id: (row.stripe_price_id, row.amount, row.interval.value)
        for row in rows
        if not row.status.ended
    }


def _paid_from(session: Session) -> dict[str, tuple[str, str]]:
    rows = session.execute(
        sa.select(Subscription, PaymentMethod).join(
            PaymentMethod,
            PaymentMethod.stripe_payment_method_id == Subscription.payment_method_id,
        )
    )
    return {
        mirror.stripe_subscription_id: (method.label.split()[-1], method.mandate_status)
        for mirror, method in rows
        if not mirror.status.ended
    }


def _ends(session: Session) -> dict[str, datetime | None]:
    rows = session.execute(
        sa.select(Subscription.stripe_subscription_id, Subscription.ends_on, Subscription.status)
    )
    return {subscription: end for subscription, end, status in rows if not status.ended}


def _reads(session: Session, now: int) -> dict[str, bool]:
    """Return the readers who may read now because of a subscription."""
    instant = datetime.fromtimestamp(now, UTC)
    rows = session.scalars(
        sa.select(Entitlement.reader_id).where(
            Entitlement.source.in_(_FROM_STRIPE),
            Entitlement.superseded_at.is_(None),
            Entitlement.starts_at <= instant,
            sa.or_(Entitlement.ends_at.is_(None), Entitlement.ends_at > instant),
        )
    )
    return {str(reader): True for reader in rows}


def _payments(session: Session) -> dict[str, model.Paid]:
    rows = session.scalars(
        sa.select(Payment).where(
            Payment.purpose != PaymentPurpose.FOREIGN, Payment.stripe_charge_id != ""
        )
    ).all()
    return {
        row.stripe_payment_intent_id: model.Paid(
            row.status.value, row.amount, _given_back(session, row)
        )
        for row in rows
    }


def _given_back(session: Session, payment: Payment) -> int:
    known = session.scalars(
        sa.select(Refund).where(
            Refund.payment_id == payment.id, Refund.status.not_in(("failed", "canceled"))
        )
    )
    total = sum(refund.amount for refund in known)
    assert total == payment.refunded_amount
    return total


def _gifts(session: Session) -> Counter[tuple[str, int]]:
    rows = session.execute(sa.select(Donation.fund, Donation.amount))
    return Counter((fund, amount) for fund, amount in rows)


def _checkouts(session: Session) -> dict[str, str]:
    rows = session.execute(
        sa.select(Checkout.stripe_session_id, Checkout.status).where(
            Checkout.stripe_session_id.is_not(None)
        )
    )
    return {str(theirs): str(status.value) for theirs, status in rows}


def _disputes(session: Session) -> dict[str, str]:
    rows = session.execute(sa.select(Dispute.stripe_dispute_id, Dispute.status))
    return {theirs: str(status.value) for theirs, status in rows}


def _disputes_for_staff(session: Session) -> dict[str, str]:
    questions = ("dispute", "dispute-inquiry", "dispute-appeal", "dispute-lost")
    rows = session.execute(
        sa.select(Task.subject, Task.kind).where(Task.kind.in_(questions), Task.closed_at.is_(None))
    ).all()
    found = {subject: "lost" if kind == questions[-1] else "to answer" for subject, kind in rows}
    assert len(found) == len(rows), "one dispute is two questions"
    return found


def _payouts(session: Session) -> dict[str, tuple[str, int]]:
    rows = session.scalars(sa.select(Payout)).all()
    return {row.stripe_payout_id: (str(row.status.value), row.amount) for row in rows}


def digest(context: Context) -> dict[str, list[str]]:
    """Return every row of every table that says something."""
    with context.db.reading() as session:
        return {
            table.name: sorted(
                str(tuple(row))
                for row in session.execute(sa.select(*(c for c in table.c if c.name != "seen_at")))
            )
            for table in Base.metadata.sorted_tables
            if table.name not in _PASSING
        }


def in_old_shape(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event as an endpoint of 2019 would be told it: other places for the same facts."""
    old = copy.deepcopy(event)
    old["api_version"] = "2019-12-03"
    said = old["data"]["object"]
    items = (said.get("items") or {}).get("data") or [{}]
    said["current_period_end"] = items[0].pop("current_period_end", None)
    parent = said.pop("parent", None) or {}
    said["subscription"] = (parent.get("subscription_details") or {}).get("subscription")
    said["paid"] = said.get("status") == "paid"
    said.pop("status", None)
    json.dumps(old)
    return old
