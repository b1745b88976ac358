"""A reader who subscribes at the local Stripe, and what we then hold of them."""

from datetime import datetime
from typing import Any
from uuid import UUID

import httpx2
import sqlalchemy as sa
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from billing import checkout, sign_in, subscriptions
from billing.access import Reason, decide, rights_of
from billing.access.decide import Facts, Policy
from billing.context import Context
from billing.models import Checkout, Entitlement, OutboxMessage, Subscription, Task
from tests.support.pages import Page
from tests.support.stripe import LocalStripe

MONTHLY = "digital-month-standard"
YEARLY = "digital-year-standard"
FAILS_LATER = "4000000000000341"
ASKS_EVERY_TIME = "4000002760003184"
PAYS, NO_FUNDS, ENDS_MANDATE = "00012345", "22222227", "33333335"  # test accounts


def start(
    context: Context, *, price: str = MONTHLY, reader_id: UUID | None = None
) -> checkout.Started:
    return checkout.start_subscription(
        context, lookup_key=price, reader_id=reader_id, shown={}, caller=""
    )


def subscribe(
    context: Context,
    stripe: LocalStripe,
    *,
    card: str = "4242424242424242",
    price: str = MONTHLY,
    reader_id: UUID | None = None,
) -> Subscription:
    """Subscribe with a card, settle, and return the newest mirror."""
    started = start(context, price=price, reader_id=reader_id)
    stripe.pay(started.url, card=card, email="gwen@example.org")
    checkout.settle(context, session_of(started))
    with context.db.reading() as session:  # two may have begun in the same second
        begun = sa.select(Subscription).where(Subscription.checkout_id == started.checkout_id)
        return session.scalars(begun).one()


def session_of(started: checkout.Started) -> str:
    return started.url.rsplit("/", 1)[1]


def by_bank(stripe: LocalStripe, url: str, account: str = PAYS) -> None:
    """Agree to a Direct Debit on Stripe's page."""
    typed = {"by": "bacs_debit", "number": account, "sort_code": "108800", "agreed": "yes"}
    payer = {"name": "Gwen", "email": "gwen@example.org", "line1": "1 High St"}
    place = {"country": "GB", "postal_code": "CR0 1BD", "terms": "yes"}
    answer = httpx2.post(url, data={**typed, **payer, **place}, timeout=30)
    assert answer.is_redirect, answer.text


def pay_open_invoice(page: str) -> None:
    """Pay on the page of an invoice that waits for its payer."""
    card = {"number": "4242424242424242", "expiry": "12/40", "cvc": "123", "name": "Gwen"}
    answer = httpx2.post(page, data=card | {"country": "GB", "postal_code": "CR0 1BD"}, timeout=30)
    assert answer.status_code in {200, 303}, answer.text


def take_a_second_copy(stripe: LocalStripe, ours: Subscription) -> None:
    """Have staff raise the quantity; the rest of the period is asked for at once."""
    item = stripe.client.v1.subscriptions.retrieve(ours.stripe_subscription_id)["items"].data[0]
    more: Any = {"items": [{"id": item.id, "quantity": 2}], "proration_behavior": "always_invoice"}
    stripe.client.v1.subscriptions.update(ours.stripe_subscription_id, more)


def look(context: Context) -> Subscription:
    """Look again at every subscription we know, and return the newest."""
    with context.db.reading() as session:
        known = session.scalars(sa.select(Subscription.stripe_subscription_id)).all()
    for each in known:
        subscriptions.look_again(context, each)
    return mirror(context)


def account_of(client: TestClient, context: Context, ours: Subscription) -> Page:
    """Open the account page of whoever has a subscription, signed in as they are."""
    with context.db.unit_of_work() as session:
        now = context.clock.now()
        token = sign_in.begin_session(session, reader_id=ours.reader_id, now=now)
    client.cookies.set("reader", token)
    return Page(client.get("/account").text)


def mirror(context: Context) -> Subscription:
    with context.db.reading() as session:
        newest = sa.select(Subscription).order_by(Subscription.started_at.desc()).limit(1)
        return session.scalars(newest).one()


def reason(context: Context, reader_id: UUID, at: datetime | None = None) -> Reason:
    """Say what the decision is at an instant, for somebody with no free article left."""
    now = at or context.clock.now()
    with context.db.reading() as session:
        rights = rights_of(session, reader_id, now=now)
    facts = Facts(rights, used=1, read_before=False, window_ends=now)
    return decide(facts, now=now, policy=Policy(0)).reason


def rights(context: Context) -> dict[str, Entitlement]:
    with context.db.reading() as session:
        return rights_in(session)


def rights_in(session: Session) -> dict[str, Entitlement]:
    current = sa.select(Entitlement).where(Entitlement.superseded_at.is_(None))
    return {right.source.value: right for right in session.scalars(current)}


def mails(context: Context) -> list[str]:
    with context.db.reading() as session:
        return list(session.scalars(sa.select(OutboxMessage.kind).order_by(OutboxMessage.id)))


def mail(context: Context, kind: str) -> dict[str, Any]:
    """Return what the only mail of a kind says."""
    with context.db.reading() as session:
        owed = sa.select(OutboxMessage).where(OutboxMessage.kind == kind)
        return session.scalars(owed).one().payload


def tasks(context: Context) -> list[str]:
    with context.db.reading() as session:
        return list(session.scalars(sa.select(Task.kind).order_by(Task.id)))


def status_of(context: Context, started: checkout.Started) -> str:
    with context.db.reading() as session:
        return session.get_one(Checkout, started.checkout_id).status.value
