"""What is compared with what: for each kind, how to walk Stripe's side and which rows of ours wait.

Walking both ways is what finds everything: an object that Stripe shows and we lack, and a row of
ours that Stripe's lists no longer show. What differs is whatever looking again would change.
"""

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.books.opening import opened_at
from billing.context import Context
from billing.models import (
    BalanceTransaction,
    Checkout,
    CheckoutStatus,
    Customer,
    Dispute,
    DisputeStatus,
    Feed,
    Payment,
    PaymentMethod,
    PaymentStatus,
    Payout,
    PayoutStatus,
    Refund,
    RefundStatus,
    Subscription,
    SubscriptionStatus,
)
from billing.reconciliation.orphans import orphans, revoke_orphan
from billing.reconciliation.polls import take_in
from billing.reconciliation.refresh import refresh
from billing.reconciliation.rehearsal import Found, rehearse
from billing.reconciliation.subject import Subject, SubjectKind
from billing.stripe_gateway import read, walk
from billing.stripe_gateway.client import APP
from billing.stripe_gateway.told import Key

BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
UNTOLD: Final = object()  # of an object that must be read by itself

Shown = Iterator[tuple[str, object]]  # ids, each with what Stripe's list says of it or UNTOLD
Ids = sa.Select[str] | sa.Select[str | None]


@dataclass(frozen=True, slots=True)
class Side:
    """One kind of object.

    Attributes:
        told: the function of `read` that a list answers for; '' for a list of ids alone.
        shown: walks what Stripe shows: all that is not finished, and all that began since.
        waiting: returns our rows that are not finished, by Stripe's id.
        finished: our rows that nothing at Stripe can change any more.
        look: looks at one of them again.
    """

    kind: str
    told: str
    shown: Callable[[Context, datetime | None], Shown]
    look: Callable[[Context, str, Feed, object], None]
    waiting: Callable[[Session], Iterable[str | None]] = lambda _session: ()
    finished: Ids | None = None


def differences(
    context: Context, side: Side, object_id: str, theirs: object, *, known: dict[Key, Any]
) -> Found:
    """Return what applying Stripe's side of one object would change; reads nothing it was told.

    Args:
        context: the process's context.
        side: which kind it is.
        object_id: the object.
        theirs: what Stripe's list says of it, or UNTOLD.
        known: what was read in this pass already; what is read now is added. One payment is read
            for its checkout, its invoice and itself.

    Raises:
        BusyError, StaleReadError: somebody is looking at it now.
        StripeUnavailableError: Stripe did not answer.
    """
    told = ChainMap(known)
    if theirs is not UNTOLD and side.told:
        told = ChainMap(known, {(side.told, object_id): theirs})
    return rehearse(context, lambda c: side.look(c, object_id, Feed.WEBHOOK, theirs), told)


def waiting(session: Session, side: Side) -> set[str]:
    """Return the ids of our rows that are not finished."""
    return {each for each in side.waiting(session) if each}


def is_finished(session: Session, side: Side, object_id: str) -> bool:
    """Tell whether nothing Stripe could say of an object changes anything here."""
    if side.finished is None:
        return False
    (column,) = side.finished.selected_columns
    return session.scalar(side.finished.where(column == object_id).limit(1)) is not None


def _look_at(kind: SubjectKind, context: Context, object_id: str, feed: Feed, _: object) -> None:
    refresh(context, Subject(kind, object_id), feed=feed)


def _take_in(context: Context, _id: str, _feed: Feed, movement: Any) -> None:
    take_in(context, movement)


def _subscriptions(context: Context, since: datetime | None) -> Shown:
    for theirs in walk.subscriptions(context.gateway):
        yield theirs.id, theirs
    for theirs in walk.subscriptions(context.gateway, since=since) if since else ():
        if theirs.status.ended:
            yield theirs.id, theirs


def _payments(context: Context, since: datetime | None) -> Shown:
    since = _in_our_time(context, since)
    for object_id, theirs in walk.payments(context.gateway, since=since) if since else ():
        yield object_id, theirs or UNTOLD


def _checkouts(context: Context, since: datetime | None) -> Shown:
    """Walk the sessions we opened; others on a shared account are nothing to us."""
    since = _in_our_time(context, since)
    for theirs in walk.checkout_sessions(context.gateway, since=since) if since else ():
        if theirs.metadata.get("app") == APP:
            yield theirs.id, theirs


def _in_our_time(context: Context, since: datetime | None) -> datetime | None:
    """Return since when what happened on the account is ours to know."""
    with context.db.reading() as session:
        opened = opened_at(session)
    return max(since, opened) if since and opened else since


def _invoices(context: Context, _since: datetime | None) -> Shown:
    return ((object_id, UNTOLD) for object_id in walk.open_invoices(context.gateway))


def _disputes(context: Context, since: datetime | None) -> Shown:
    since = _in_our_time(context, since)
    for theirs in walk.disputes(context.gateway, since=since) if since else ():
        yield theirs.id, theirs


def _payouts(context: Context, since: datetime | None) -> Shown:
    since = _in_our_time(context, since)
    shown = walk.payouts(context.gateway, since=since) if since else ()
    return ((object_id, UNTOLD) for object_id in shown)


def _customers(context: Context, _since: datetime | None) -> Shown:
    """Walk the customers that are ours; the others are nobody we know."""
    with context.db.reading() as session:
        ours = set(session.scalars(sa.select(Customer.stripe_customer_id)))
    for theirs, _email, _name in walk.customers(context.gateway) if ours else ():
        if theirs.id in ours:
            yield theirs.id, theirs


def _payment_methods(context: Context, _since: datetime | None) -> Shown:
    """Walk what the subscriptions we know are paid from."""
    with context.db.reading() as session:
        ours = set(session.scalars(_IN_USE))
    for theirs in walk.payment_methods(context.gateway) if ours else ():
        if theirs.id in ours:
            yield theirs.id, theirs


def _movements(context: Context, since: datetime | None) -> Shown:
    since = _in_our_time(context, since)
    for theirs in read.balance_transactions(context.gateway, since=since) if since else ():
        yield theirs.id, theirs


_CLOSED_DISPUTES: Final = (
    DisputeStatus.WON,
    DisputeStatus.LOST,
    DisputeStatus.WARNING_CLOSED,
    DisputeStatus.PREVENTED,
)


_RUNNING: Final = Subscription.status.not_in([each for each in SubscriptionStatus if each.ended])
# What a running subscription is paid from: its own choice, else its payer's.
_IN_USE: Final = (
    sa.select(PaymentMethod.stripe_payment_method_id)
    .join(Subscription, Subscription.stripe_customer_id == PaymentMethod.stripe_customer_id)
    .join(Customer, Customer.stripe_customer_id == PaymentMethod.stripe_customer_id)
    .where(
        _RUNNING,
        sa.func.coalesce(
            sa.func.nullif(Subscription.payment_method_id, ""), Customer.payment_method_id
        )
        == PaymentMethod.stripe_payment_method_id,
    )
    .distinct()
)
_MANDATES_IN_USE: Final = sa.select(PaymentMethod.mandate_id).where(
    PaymentMethod.mandate_id != "", PaymentMethod.stripe_payment_method_id.in_(_IN_USE)
)


_REFUND_UNDER_WAY: Final = sa.select(Refund.payment_id).where(
    Refund.status.in_((RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION))
)


def _no_more(_context: Context, _since: datetime | None) -> Shown:
    return iter(())


def _revoke(context: Context, object_id: str, _feed: Feed, _theirs: object) -> None:
    revoke_orphan(context, object_id)


def _ids(select: Ids) -> Callable[[Session], Iterable[str | None]]:
    return lambda session: session.scalars(select)


SIDES: Final = (
    Side(
        "subscription",
        "subscription",
        _subscriptions,
        partial(_look_at, SubjectKind.SUBSCRIPTION),
        waiting=_ids(sa.select(Subscription.stripe_subscription_id).where(_RUNNING)),
    ),
    Side("entitlement", "", _no_more, _revoke, waiting=orphans),
    Side(
        "payment",
        "payment",
        _payments,
        partial(_look_at, SubjectKind.PAYMENT),
        waiting=_ids(
            sa.select(Payment.stripe_payment_intent_id).where(
                sa.or_(
                    Payment.status == PaymentStatus.PENDING,
                    sa.and_(
                        Payment.status == PaymentStatus.SUCCEEDED,
                        Payment.balance_transaction_id == "",
                    ),
                    Payment.id.in_(_REFUND_UNDER_WAY),
                )
            )
        ),
    ),
    Side(
        "checkout",
        "checkout_session",
        _checkouts,
        partial(_look_at, SubjectKind.CHECKOUT),
        waiting=_ids(
            sa.select(Checkout.stripe_session_id).where(
                Checkout.status.in_((CheckoutStatus.OPEN, CheckoutStatus.AWAITING_BANK))
            )
        ),
        finished=sa.select(Checkout.stripe_session_id).where(
            Checkout.status == CheckoutStatus.SETTLED
        ),
    ),
    Side("invoice", "", _invoices, partial(_look_at, SubjectKind.INVOICE)),
    Side(
        "dispute",
        "dispute",
        _disputes,
        partial(_look_at, SubjectKind.DISPUTE),
        waiting=_ids(
            sa.select(Dispute.stripe_dispute_id).where(Dispute.status.not_in(_CLOSED_DISPUTES))
        ),
    ),
    Side(
        "payout",
        "",
        _payouts,
        partial(_look_at, SubjectKind.PAYOUT),
        waiting=_ids(
            sa.select(Payout.stripe_payout_id).where(
                sa.or_(
                    Payout.status.in_((PayoutStatus.PENDING, PayoutStatus.IN_TRANSIT)),
                    sa.and_(Payout.automatic, Payout.tied_at.is_(None)),
                )
            )
        ),
    ),
    Side(
        "customer",
        "customer",
        _customers,
        partial(_look_at, SubjectKind.CUSTOMER),
        waiting=_ids(sa.select(Customer.stripe_customer_id).where(Customer.deleted_at.is_(None))),
    ),
    Side(
        "payment_method",
        "payment_method",
        _payment_methods,
        partial(_look_at, SubjectKind.PAYMENT_METHOD),
        waiting=_ids(_IN_USE),
    ),
    # Stripe lists no mandates: each is a call of its own.
    Side(
        "mandate",
        "",
        _no_more,
        partial(_look_at, SubjectKind.MANDATE),
        waiting=_ids(_MANDATES_IN_USE),
    ),
    Side(
        "balance_transaction",
        "",
        _movements,
        _take_in,
        finished=sa.select(BalanceTransaction.stripe_balance_transaction_id),
    ),
)
