"""Reading Stripe: one function for each object, each asking for all of it that we use at once.

`None` means Stripe has no such object (any more). No expansion is deeper than four levels, and
every list is paged to its end: Stripe cuts the first page at ten.
"""

from collections.abc import Sequence
from datetime import datetime

import stripe
from stripe.params import RefundListParams

from billing.models import Interval, PaymentStatus, RefundStatus, SubscriptionStatus
from billing.stripe_gateway import read_money
from billing.stripe_gateway.client import Gateway
from billing.stripe_gateway.items import all_items, amount_due
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
    StripeSubscription,
)
from billing.stripe_gateway.values import id_of, instant, instant_or_none, text, words

_PAGE = 100
_OVERDUE = ("past_due", "unpaid")
_OF_A_PERIOD = ("subscription_create", "subscription_cycle")


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
def subscription(gateway: Gateway, subscription_id: str) -> StripeSubscription | None:
    """Read one subscription. Since basil its periods stand on its items."""
    found = gateway.ask_for(
        lambda: gateway.client.v1.subscriptions.retrieve(
            subscription_id, {"expand": ["latest_invoice", "discounts.source.coupon"]}
        )
    )
    return None if found is None else subscription_of(gateway, found)


def subscription_of(gateway: Gateway, found: stripe.Subscription) -> StripeSubscription:
    """Write the SDK's subscription in our words; Stripe is asked for the items it has cut off.

    Its latest invoice, and the coupons of its discounts, must be expanded.
    """
    items = all_items(gateway, found)
    recurring = items[0].price.recurring if items else None
    begun = found.start_date  # the last that is known of one without items: nothing is paid
    period_ends = instant(max((item.current_period_end for item in items), default=begun))
    ends_on = instant_or_none(found.cancel_at)
    if ends_on is None and found.cancel_at_period_end:
        ends_on = period_ends
    details, latest = found.cancellation_details, _expanded(found.latest_invoice)
    paused = getattr(getattr(found, "status_details", None), "paused", None)
    return StripeSubscription(
        id=found.id,
        status=_subscription_status(found.status),
        customer_id=id_of(found.customer),
        metadata=words(found.metadata),
        price_ids=tuple(item.price.id for item in items),
        amount=amount_due(found, items, next_period=period_ends),
        currency=found.currency,
        interval=Interval(recurring.interval) if recurring else Interval.MONTH,
        started=instant(found.start_date),
        period_starts=instant(min((item.current_period_start for item in items), default=begun)),
        period_ends=period_ends,
        ends_on=ends_on,
        canceled_at=instant_or_none(found.canceled_at),
        ended_at=instant_or_none(found.ended_at),
        ended_unpaid=bool(details and details.reason == "payment_failed"),
        period_paid=_period_paid(gateway, found, latest),
        unpaid_since=_unpaid_since(gateway, found),
        collection_paused=found.pause_collection is not None,
        paused_at=instant(paused.transitioned_at) if paused else None,
        payment_method_id=id_of(found.default_payment_method),
        pay_url=_pay_url(gateway, latest),
    )


def _period_paid(
    gateway: Gateway, found: stripe.Subscription, latest: stripe.Invoice | None
) -> bool:
    """Tell whether the current period is paid for: by the last invoice that is of a period.

    A change in its middle is invoiced by itself, and says nothing of a debit still under way.
    """
    if latest is not None and latest.billing_reason not in _OF_A_PERIOD:
        listed = gateway.client.v1.invoices.list
        every = gateway.ask(lambda: listed({"subscription": found.id, "limit": _PAGE}).data)
        of_a_period = (each for each in every if each.billing_reason in _OF_A_PERIOD)
        latest = next((each for each in of_a_period if each.status != "draft"), None)
    return latest is None or latest.status == "paid"


def _unpaid_since(gateway: Gateway, found: stripe.Subscription) -> datetime | None:
    """Return when the first period began whose invoice is still open.

    Stripe may move on from one unpaid period to the next; whoever looks only then must come to the
    same as who looked all the time.
    """
    if found.status not in _OVERDUE:
        return None
    waiting = gateway.ask(
        lambda: list(
            gateway.client.v1.invoices.list(
                {"subscription": found.id, "status": "open", "limit": _PAGE}
            ).auto_paging_iter()
        )
    )
    starts = [line.period.start for each in waiting for line in each.lines.data[:1]]
    return instant_or_none(min(starts, default=None))


def _expanded(invoice: str | stripe.Invoice | None) -> stripe.Invoice | None:
    return invoice if isinstance(invoice, stripe.Invoice) else None


def _pay_url(gateway: Gateway, latest: stripe.Invoice | None) -> str:
    """Return where an open invoice may be paid, unless a bank works on it already."""
    if latest is None or latest.status != "open" or _processing(_payments_of(gateway, latest)):
        return ""
    return text(getattr(latest, "hosted_invoice_url", None))


def _subscription_status(status: str) -> SubscriptionStatus:
    try:
        return SubscriptionStatus(status)
    except ValueError:
        return SubscriptionStatus.UNKNOWN


@may_be_told
def invoice(gateway: Gateway, invoice_id: str) -> StripeInvoice | None:
    """Read one invoice with its lines and the payments made or attempted for it."""
    found = gateway.ask_for(lambda: gateway.client.v1.invoices.retrieve(invoice_id))
    return None if found is None else invoice_of(gateway, found, _payments_of(gateway, found))


def _payments_of(gateway: Gateway, invoice: stripe.Invoice) -> tuple[stripe.PaymentIntent, ...]:
    """Read the payments made or attempted for an invoice."""
    payments = gateway.ask(
        lambda: list(
            gateway.client.v1.invoice_payments.list(
                {
                    "invoice": text(invoice.id),
                    "limit": _PAGE,
                    "expand": ["data.payment.payment_intent"],
                }
            ).auto_paging_iter()
        )
    )
    intents = (getattr(payment.payment, "payment_intent", None) for payment in payments)
    return tuple(intent for intent in intents if isinstance(intent, stripe.PaymentIntent))


def _processing(intents: tuple[stripe.PaymentIntent, ...]) -> bool:
    return any(intent.status == "processing" for intent in intents)


def invoice_of(
    gateway: Gateway, found: stripe.Invoice, intents: tuple[stripe.PaymentIntent, ...] = ()
) -> StripeInvoice:
    """Write the SDK's invoice in our words; Stripe is asked for the lines it has cut off.

    Args:
        gateway: Stripe.
        found: the invoice.
        intents: every payment made or attempted for it.
    """
    parent = found.parent.subscription_details if found.parent else None
    lines = _lines(gateway, found)
    prices = (
        id_of(line.pricing.price_details.price)
        for line in lines
        if line.pricing and line.pricing.price_details
    )
    return StripeInvoice(
        id=text(found.id),
        status=text(found.status),
        amount_due=found.amount_due,
        amount_paid=found.amount_paid,
        currency=found.currency,
        customer_id=id_of(found.customer),
        subscription_id=id_of(parent.subscription) if parent else "",
        metadata=words(parent.metadata) if parent else {},
        billing_reason=text(found.billing_reason),
        attempt_count=found.attempt_count,
        next_attempt=instant_or_none(found.next_payment_attempt),
        hosted_url=text(getattr(found, "hosted_invoice_url", None)),  # absent until finalised
        price_ids=tuple(dict.fromkeys(price for price in prices if price)),
        period_starts=instant(lines[0].period.start if lines else found.period_start),
        period_ends=instant(lines[0].period.end if lines else found.period_end),
        payment_intent_ids=tuple(intent.id for intent in intents),
        processing=_processing(intents),
        action_needed=any(intent.status == "requires_action" for intent in intents),
        stuck=_stuck(found),
        overpaid=getattr(found, "amount_overpaid", None) or 0,
    )


def _stuck(found: stripe.Invoice) -> str:
    """Say why a draft could not be made final; once it is, what once stood in the way is over."""
    error = getattr(found, "last_finalization_error", None)
    if error is None or found.status != "draft":
        return ""
    return text(error.message) or text(error.code) or "no reason given"


def _lines(gateway: Gateway, found: stripe.Invoice) -> list[stripe.InvoiceLineItem]:
    if not found.lines.has_more:
        return found.lines.data
    listed = gateway.client.v1.invoices.line_items.list
    return gateway.ask(lambda: list(listed(text(found.id), {"limit": _PAGE}).auto_paging_iter()))


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
        lambda: gateway.client.v1.invoice_payments.list(
            {
                "payment": {"type": "payment_intent", "payment_intent": payment_intent_id},
                "expand": ["data.invoice"],
            }
        )
    )
    for link in found.data:
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
