"""What is on our account and not ours is counted, each once, and nothing else comes of it."""

from typing import Any

import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing.context import Context
from billing.models import (
    Entitlement,
    ForeignObject,
    OutboxMessage,
    Reader,
    StripeEvent,
    Subscription,
    Task,
)
from billing.reconciliation import Subject, SubjectKind, refresh, replay_since
from tests.support.deliveries import deliver, events, work_off
from tests.support.stripe import LocalStripe


def sell_mugs_and_a_club(stripe: LocalStripe) -> None:
    """Somebody else's shop on the same account: one mug sold, and one membership."""
    v1 = stripe.client.v1
    product = v1.products.create({"name": "Theirs"}).id
    mug = v1.prices.create({"product": product, "currency": "gbp", "unit_amount": 12_00})
    club = v1.prices.create(
        {
            "product": product,
            "currency": "gbp",
            "unit_amount": 3_00,
            "recurring": {"interval": "month"},
        }
    )
    for mode, price in (("payment", mug.id), ("subscription", club.id)):
        params: Any = {
            "mode": mode,
            "line_items": [{"price": price, "quantity": 1}],
            "success_url": "https://shop.example/thanks",
        }
        stripe.pay(str(v1.checkout.sessions.create(params).url))


def counted(context: Context) -> list[str]:
    with context.db.reading() as session:
        return sorted(session.scalars(sa.select(ForeignObject.kind)))


def test_everything_of_somebody_elses_is_counted_once_and_opens_and_tells_nothing(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    sell_mugs_and_a_club(stripe)
    stripe.advance(seconds=601)  # what nobody can place may yet turn out to be ours
    deliver(client, context, events(stripe))
    once = counted(context)

    with context.db.unit_of_work() as session:
        replay_since(session, context.clock.now().replace(year=2020), now=context.clock.now())
    work_off(context)

    assert once == counted(context)
    assert once == ["checkout", "checkout", "customer", "payment", "payment", "subscription"]
    with context.db.reading() as session:
        for nothing in (Subscription.id, Entitlement.id, OutboxMessage.id, Reader.id):
            assert session.scalars(sa.select(nothing)).all() == []
        outcomes = {
            row.type: row.outcome
            for row in session.scalars(sa.select(StripeEvent))
            if row.type.startswith(("checkout", "customer.subscription", "payment_intent.s"))
        }
    assert set(outcomes.values()) == {"ignored: not ours"}


def an_invoice(context: Context, client: TestClient, stripe: LocalStripe) -> str:
    """Subscribe, and return the invoice of it."""
    from billing import checkout

    started = checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=None, shown={}, caller=""
    )
    stripe.pay(started.url)
    deliver(client, context, events(stripe))
    return str(stripe.client.v1.invoices.list().data[0].id)


def asked(context: Context) -> dict[str, bool]:
    """Return which questions there are, and whether each is open."""
    with context.db.reading() as session:
        return {task.kind: task.closed_at is None for task in session.scalars(sa.select(Task))}


def test_an_invoice_stripe_cannot_make_final_is_a_question_until_it_can(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    invoice = an_invoice(context, client, stripe)
    subject = Subject(SubjectKind.INVOICE, invoice)
    error = {"type": "invalid_request_error", "message": "The address is not one of ours."}
    stripe.rewrite(invoice, status="draft", last_finalization_error=error)
    refresh(context, subject)
    assert asked(context) == {"invoice-stuck": True}

    stripe.rewrite(invoice, status="paid")
    refresh(context, subject)

    assert asked(context) == {"invoice-stuck": False}


def test_an_invoice_paid_twice_over_is_a_question(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    invoice = an_invoice(context, client, stripe)
    stripe.rewrite(invoice, amount_overpaid=5_49)

    refresh(context, Subject(SubjectKind.INVOICE, invoice))

    assert asked(context) == {"invoice-overpaid": True}
