"""Reading Stripe: one function for each object, each asking for all of it that we use at once.

`None` means Stripe has no such object (any more). No expansion is deeper than four levels, and
every list is paged to its end: Stripe cuts the first page at ten.
"""

from collections.abc import Sequence
from datetime import datetime

import stripe
from stripe.params import RefundListParams

from billing.models import PaymentStatus, RefundStatus
from billing.stripe_gateway import read_money
from billing.stripe_gateway.client import Gateway
from billing.stripe_gateway.read_billing import invoice_of
from billing.stripe_gateway.read_money import (
    charge_of,
    movement_of,
    movements_of,
    payment_named_by,
)
from billing.stripe_gateway.told import may_be_told
from billing.stripe_gateway.types import (
    StripeBalanceTransaction,
    StripeCheckoutSession,
    StripeInvoice,
    StripePayment,
    StripeRefund,
)
from billing.stripe_gateway.values import id_of, instant, text, words

_PAGE = 100


@may_be_told
def checkout_session(gateway: Gateway, session_id: str) -> StripeCheckoutSession | None:
    """Read one Checkout session."""
    session = gateway.ask_for(lambda: gateway.client.v1.checkout.sessions.retrieve(session_id))
    return None if session is None else checkout_session_of(session)


def checkout_session_of(session: stripe.checkout.Session) -> StripeCheckoutSession:
    """Write the SDK's session in our words."""
    payer = session.customer_details
    return StripeCheckoutSession(
        id=session.id,
        status=text(session.status),
        payment_status=session.payment_status,
        client_reference_id=text(session.client_reference_id),
        metadata=words(session.metadata),
        url=text(session.url),
        customer_id=id_of(session.customer),
        payer_email=text(payer.email if payer else None).lower(),
        payer_name=text(payer.name if payer else None),
        payment_intent_id=id_of(session.payment_intent),
        subscription_id=id_of(session.subscription),
        invoice_id=id_of(session.invoice),
    )


@may_be_told
def payment(gateway: Gateway, payment_intent_id: str) -> StripePayment | None:
    """Read one payment intent with its charges, refunds and invoice.

    Somebody else on our account may take money without an intent; its charge is read instead.
    """
    if not payment_intent_id.startswith("pi_"):
        return _payment_without_intent(gateway, payment_intent_id)
    v1 = gateway.client.v1
    found = gateway.ask_for(lambda: v1.payment_intents.retrieve(payment_intent_id))
    if found is None:
        return None
    charges = read_money.charges(gateway, found.id)
    refunds = _refunds(gateway, {"payment_intent": found.id}) if charges else ()
    paid_for = _invoice_paid_by(gateway, found.id) if found.customer else None
    return payment_of(found, charges=charges, refunds=refunds, invoice=paid_for)


def payment_of(
    found: stripe.PaymentIntent,
    *,
    refunds: tuple[StripeRefund, ...],
    invoice: StripeInvoice | None,
    charges: Sequence[stripe.Charge] = (),
) -> StripePayment:
    """Write the SDK's payment intent in our words, with all that is its.

    Args:
        found: the payment intent.
        refunds: of all its charges.
        invoice: which it pays.
        charges: every attempt, with what it moved expanded; where they were not listed, the latest
            attempt of the intent must be expanded so.
    """
    latest = found.latest_charge
    if not charges and isinstance(latest, stripe.Charge):
        charges = [latest]
    best = max(charges, key=lambda c: (c.paid, c.id == id_of(latest), c.created), default=None)
    error = found.last_payment_error
    return StripePayment(
        id=found.id,
        status=_payment_status(found),
        amount=found.amount,
        currency=found.currency,
        customer_id=id_of(found.customer),
        metadata=words(found.metadata),
        created=instant(found.created),
        failure=text(error.message if error else None),
        charge=charge_of(best, found.id, refunds) if best else None,
        invoice=invoice,
        movements=tuple(m for c in charges for m in movements_of(c, found.id)),
    )


def _payment_without_intent(gateway: Gateway, charge_id: str) -> StripePayment | None:
    found = read_money.charge(gateway, charge_id)
    if found is None:
        return None
    return StripePayment(
        id=found.id,
        status=PaymentStatus(found.status),
        amount=found.amount,
        currency=found.currency,
        customer_id=id_of(found.customer),
        metadata=words(found.metadata),
        created=instant(found.created),
        failure="",
        charge=charge_of(found, found.id, _refunds(gateway, {"charge": found.id})),
        invoice=None,
        movements=movements_of(found, found.id),
    )


def _payment_status(found: stripe.PaymentIntent) -> PaymentStatus:
    match found.status:
        case "succeeded":
            return PaymentStatus.SUCCEEDED
        case "canceled":
            return PaymentStatus.CANCELED
        case "requires_payment_method" if found.last_payment_error:
            return PaymentStatus.FAILED
        case _:
            return PaymentStatus.PENDING


def _invoice_paid_by(gateway: Gateway, payment_intent_id: str) -> StripeInvoice | None:
    """Find the invoice a payment is for: neither payment intent nor charge names it any more."""
    found = gateway.ask(
        lambda: list(
            gateway.client.v1.invoice_payments.list(
                {
                    "payment": {"type": "payment_intent", "payment_intent": payment_intent_id},
                    "limit": _PAGE,
                    "expand": ["data.invoice"],
                }
            ).auto_paging_iter()
        )
    )
    for link in found:
        if isinstance(link.invoice, stripe.Invoice):
            return invoice_of(gateway, link.invoice)
    return None


def _refunds(gateway: Gateway, of: RefundListParams) -> tuple[StripeRefund, ...]:
    found = gateway.ask(
        lambda: list(
            gateway.client.v1.refunds.list(
                {
                    **of,
                    "limit": _PAGE,
                    "expand": ["data.balance_transaction", "data.failure_balance_transaction"],
                }
            ).auto_paging_iter()
        )
    )
    return tuple(refund_of(refund) for refund in found)


def refund_of(refund: stripe.Refund) -> StripeRefund:
    """Write the SDK's refund in our words; both its movements must be expanded."""
    return StripeRefund(
        id=refund.id,
        status=_refund_status(refund.status),
        amount=refund.amount,
        currency=refund.currency,
        reason=text(refund.reason),
        created=instant(refund.created),
        movements=movements_of(refund, payment_named_by(refund)),
    )


def _refund_status(status: str | None) -> RefundStatus:
    """Read a word Stripe has yet to invent as one that is not certain."""
    try:
        return RefundStatus(status or "pending")
    except ValueError:
        return RefundStatus.PENDING


def balance_transactions(gateway: Gateway, *, since: datetime) -> list[StripeBalanceTransaction]:
    """Read every movement of our balance created since an instant, oldest first."""
    found = gateway.ask(
        lambda: list(
            gateway.client.v1.balance_transactions.list(
                {
                    "created": {"gte": int(since.timestamp())},
                    "limit": _PAGE,
                    "expand": ["data.source"],
                }
            ).auto_paging_iter()
        )
    )
    moved = (movement_of(one, payment_named_by(one.source)) for one in reversed(found))
    return [movement for movement in moved if movement]


def balance(gateway: Gateway) -> dict[str, int]:
    """Read our balance at Stripe, available and pending together, by currency."""
    found = gateway.ask(gateway.client.v1.balance.retrieve)
    totals: dict[str, int] = {}
    parts = [(part.currency, part.amount) for part in found.available]
    parts += [(part.currency, part.amount) for part in found.pending]
    for currency, amount in parts:
        totals[currency] = totals.get(currency, 0) + amount
    return totals
