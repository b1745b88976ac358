"""Walking Stripe's lists to their end, a hundred objects to a call, each in our own words.

Search is never used: it lags behind what it searches. Every function may raise
StripeUnavailableError or StripeRefusedError on any page; what was yielded before stays good.

Source: https://docs.stripe.com/api/pagination
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

import stripe

from billing.stripe_gateway.client import Gateway
from billing.stripe_gateway.read import checkout_session_of, payment_of, refund_of
from billing.stripe_gateway.read_billing import invoice_of, subscription_of
from billing.stripe_gateway.read_money import MOVEMENTS, dispute_of, payment_named_by
from billing.stripe_gateway.read_people import customer_of, payment_method_of
from billing.stripe_gateway.types import (
    StripeCheckoutSession,
    StripeCustomer,
    StripeDispute,
    StripeInvoice,
    StripePayment,
    StripePaymentMethod,
    StripeRefund,
    StripeSubscription,
)
from billing.stripe_gateway.values import id_of, text

_PAGE: Final = 100


def subscriptions(
    gateway: Gateway, *, since: datetime | None = None
) -> Iterator[StripeSubscription]:
    """Walk every subscription that is not canceled, or those of any status begun since."""
    return _subscriptions(gateway, {"status": "all", **_since(since)} if since else {})


def subscriptions_of(gateway: Gateway, customer_id: str) -> Iterator[StripeSubscription]:
    """Walk the subscriptions a customer ever had."""
    return _subscriptions(gateway, {"status": "all", "customer": customer_id})


def checkout_sessions(gateway: Gateway, *, since: datetime) -> Iterator[StripeCheckoutSession]:
    """Walk every Checkout session opened since, whatever became of it."""
    lists = gateway.client.v1.checkout.sessions
    return map(checkout_session_of, _every(gateway, lists.list, _since(since)))


def open_invoices(gateway: Gateway) -> Iterator[str]:
    """Walk the invoices that wait to be paid, by id: Stripe lists no invoice with its payments."""
    for found in _every(gateway, gateway.client.v1.invoices.list, {"status": "open"}):
        yield str(found.id)


def payments(gateway: Gateway, *, since: datetime) -> Iterator[tuple[str, StripePayment | None]]:
    """Walk every payment made, tried again or given back since, with all that is its.

    No list says which charges, refunds and invoices belong to which payment intent, so those are
    walked first. A payment older than that, or without an intent, is only named: it must be read.
    """
    charges, refunds = _charges(gateway, since), _refunds(gateway, since)
    invoices = dict(_paid_invoices(gateway, since))
    for found in _every(gateway, gateway.client.v1.payment_intents.list, _since(since)):
        yield (
            found.id,
            payment_of(
                found,
                charges=charges.pop(found.id, []),
                refunds=tuple(refunds.pop(found.id, ())),
                invoice=invoices.pop(found.id, None),
            ),
        )
    yield from ((older, None) for older in sorted({*charges, *refunds}))


def disputes(gateway: Gateway, *, since: datetime) -> Iterator[StripeDispute]:
    """Walk every dispute opened since."""
    return map(dispute_of, _every(gateway, gateway.client.v1.disputes.list, _since(since)))


def payouts(gateway: Gateway, *, since: datetime) -> Iterator[str]:
    """Walk the payouts made since, by id: what each is made of is a list of its own."""
    for found in _every(gateway, gateway.client.v1.payouts.list, _since(since)):
        yield str(found.id)


def events_since(gateway: Gateway, *, since: datetime) -> Iterator[str]:
    """Walk everything Stripe has said since, each event as it was written."""
    return map(str, _every(gateway, gateway.client.v1.events.list, _since(since)))


def questions(gateway: Gateway, *, since: datetime) -> dict[str, Iterator[str]]:
    """Return walks of what Stripe asks of staff, each to be begun by itself.

    That is every open review, and the early fraud warnings and the credit notes since.
    """
    v1 = gateway.client.v1
    lists: dict[str, tuple[Callable[[Any], Any], dict[str, Any]]] = {
        "reviews": (v1.reviews.list, {}),
        "early fraud warnings": (v1.radar.early_fraud_warnings.list, _since(since)),
        "credit notes": (v1.credit_notes.list, _since(since)),
    }
    return {
        kind: (found.id for found in _every(gateway, ask, params))
        for kind, (ask, params) in lists.items()
    }


def customers(gateway: Gateway) -> Iterator[tuple[StripeCustomer, str, str]]:
    """Walk every customer, each with the address and the name they typed: they prove nothing."""
    for found in _every(gateway, gateway.client.v1.customers.list, {}):
        if (theirs := customer_of(found)) is not None:
            yield theirs, text(found.email).lower(), text(found.name)


def payment_methods(gateway: Gateway) -> Iterator[StripePaymentMethod]:
    """Walk what the subscriptions that are not canceled have chosen to be paid from."""
    params = {"expand": ["data.default_payment_method"]}
    for found in _every(gateway, gateway.client.v1.subscriptions.list, params):
        if isinstance(found.default_payment_method, stripe.PaymentMethod):
            yield payment_method_of(found.default_payment_method)


def anything_before(gateway: Gateway, instant: datetime) -> bool:
    """Tell whether the account had customers or money before an instant."""
    v1, before = gateway.client.v1, int(instant.timestamp())
    lists: tuple[Callable[[Any], Any], ...] = (v1.customers.list, v1.balance_transactions.list)
    return any(
        gateway.ask(lambda ask=ask: ask({"created": {"lt": before}, "limit": 1})).data  # type: ignore[misc]
        for ask in lists
    )


def _subscriptions(gateway: Gateway, params: dict[str, Any]) -> Iterator[StripeSubscription]:
    expand = ["data.latest_invoice", "data.discounts.source.coupon"]
    lists = gateway.client.v1.subscriptions
    for found in _every(gateway, lists.list, params | {"expand": expand}):
        yield subscription_of(gateway, found)


def _charges(gateway: Gateway, since: datetime) -> dict[str, list[stripe.Charge]]:
    """Return every charge since, by its payment."""
    charges = defaultdict(list)
    params = _since(since) | {"expand": [f"data.{name}" for name in MOVEMENTS]}
    for found in _every(gateway, gateway.client.v1.charges.list, params):
        charges[payment_named_by(found)].append(found)
    return charges


def _refunds(gateway: Gateway, since: datetime) -> dict[str, list[StripeRefund]]:
    """Return every refund since, by the payment it gives back."""
    refunds = defaultdict(list)
    params = _since(since) | {"expand": [f"data.{name}" for name in MOVEMENTS]}
    for found in _every(gateway, gateway.client.v1.refunds.list, params):
        refunds[payment_named_by(found)].append(refund_of(found))
    return refunds


def _paid_invoices(gateway: Gateway, since: datetime) -> Iterator[tuple[str, StripeInvoice]]:
    params = _since(since) | {"expand": ["data.invoice"]}
    for found in _every(gateway, gateway.client.v1.invoice_payments.list, params):
        intent = id_of(getattr(found.payment, "payment_intent", None))
        if intent and isinstance(found.invoice, stripe.Invoice):
            yield intent, invoice_of(gateway, found.invoice)


def _since(since: datetime) -> dict[str, Any]:
    return {"created": {"gte": int(since.timestamp())}}


def _every(
    gateway: Gateway,
    ask: Callable[[Any], stripe.ListObject[Any]],
    params: dict[str, Any],
) -> Iterator[Any]:
    """Yield what a list holds, page after page, each asked for when the one before is used up."""
    page = gateway.ask(lambda: ask({"limit": _PAGE, **params}))
    while True:
        yield from page.data
        if not page.has_more:
            return
        last = page.data[-1].id
        page = gateway.ask(
            lambda last=last: ask({"limit": _PAGE, "starting_after": last, **params})  # type: ignore[misc]
        )
