"""Repairs: where a look found us differing from Stripe though no webhook had said so.

How many there are, and by which feed, is the health of our webhooks as a number. A repair names
objects and how they stand, never a person.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from billing.models import (
    Checkout,
    Customer,
    Dispute,
    Feed,
    Payment,
    PaymentMethod,
    Payout,
    Repair,
    Subscription,
)
from billing.reconciliation.subject import Subject, SubjectKind

# Nothing was amiss where Stripe told us, where the reader was quicker than Stripe, or where we came
# to an account that was there before us.
ORDINARY: Final = frozenset({Feed.WEBHOOK, Feed.RETURN, Feed.ADOPTION})

_Columns = tuple[InstrumentedAttribute[Any], ...]
_PAYMENT: Final[_Columns] = (
    Payment.stripe_payment_intent_id,
    Payment.status,
    Payment.refunded_amount,
    Payment.balance_transaction_id,
)
_METHOD: Final[_Columns] = (
    PaymentMethod.stripe_payment_method_id,
    PaymentMethod.expires_on,
    PaymentMethod.mandate_status,
)
# Of each kind: the column it is found by; the name its row has at Stripe, and what must agree.
_MIRRORS: Final[Mapping[SubjectKind, tuple[InstrumentedAttribute[Any], _Columns]]] = {
    SubjectKind.CHECKOUT: (
        Checkout.stripe_session_id,
        (Checkout.stripe_session_id, Checkout.status),
    ),
    SubjectKind.SUBSCRIPTION: (
        Subscription.stripe_subscription_id,
        (
            Subscription.stripe_subscription_id,
            Subscription.status,
            Subscription.stripe_price_id,
            Subscription.amount,
            Subscription.paid_until,
            Subscription.ends_on,
            Subscription.collection_paused,
        ),
    ),
    SubjectKind.INVOICE: (Payment.stripe_invoice_id, _PAYMENT),
    SubjectKind.PAYMENT: (Payment.stripe_payment_intent_id, _PAYMENT),
    SubjectKind.CUSTOMER: (
        Customer.stripe_customer_id,
        (
            Customer.stripe_customer_id,
            Customer.deleted_at,
            Customer.balance,
            Customer.payment_method_id,
        ),
    ),
    SubjectKind.PAYMENT_METHOD: (PaymentMethod.stripe_payment_method_id, _METHOD),
    SubjectKind.MANDATE: (PaymentMethod.mandate_id, _METHOD),
    SubjectKind.DISPUTE: (
        Dispute.stripe_dispute_id,
        (Dispute.stripe_dispute_id, Dispute.status, Dispute.amount),
    ),
    SubjectKind.PAYOUT: (
        Payout.stripe_payout_id,
        (Payout.stripe_payout_id, Payout.status, Payout.amount, Payout.tied_at),
    ),
}

Standing = Mapping[str, str]


def standing_of(session: Session, subject: Subject) -> Standing:
    """Return how an object stands with us, field by field; empty where we do not have it."""
    if subject.kind not in _MIRRORS:
        return {}
    found_by, columns = _MIRRORS[subject.kind]
    rows = session.execute(sa.select(*columns).where(found_by == subject.id))
    return {
        f"{name} {column.key}": "" if value is None else str(value)
        for name, *values in rows
        for column, value in zip(columns[1:], values, strict=True)
    }


def record_repair(
    session: Session, subject: Subject, *, feed: Feed, before: Standing, now: datetime
) -> None:
    """Write down what a look has changed, in the look's own commit; nothing where it changed none.

    Args:
        session: the transaction of the look's last effects.
        subject: what was looked at.
        feed: which had us look.
        before: how it stood before.
        now: when.
    """
    after = standing_of(session, subject)
    found = [
        {"field": field, "ours": before.get(field, ""), "theirs": after.get(field, "")}
        for field in sorted({*before, *after})
        if before.get(field) != after.get(field)
    ]
    if found:
        session.add(
            Repair(at=now, feed=feed, kind=subject.kind.value, object_id=subject.id, found=found)
        )
