"""What Stripe Billing says of subscriptions and invoices, in our small frozen types."""

import stripe
from stripe.params import InvoiceListParams

from billing.errors import StripeRefusedError, StripeUnavailableError
from billing.models import Interval, SubscriptionStatus
from billing.stripe_gateway.client import Gateway
from billing.stripe_gateway.items import all_items, amount_due
from billing.stripe_gateway.periods import (
    FIRST,
    at_bank_until,
    lines_for_a_period,
    overdue_since,
    paid_until,
    period_of,
    span_of,
)
from billing.stripe_gateway.told import may_be_told
from billing.stripe_gateway.types import (
    StripeInvoice,
    StripeSubscription,
)
from billing.stripe_gateway.values import id_of, instant, instant_or_none, text, words

_PAGE = 100


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
    invoices = _invoices_that_tell(gateway, found, latest)
    to_be_paid = [each for each in invoices if each.status == "open"]
    at_bank = {each.id for each in to_be_paid if _processing(_payments_of(gateway, each))}
    periods = [
        period
        for each in invoices
        if (period := period_of(each, _lines(gateway, each), at_bank=each.id in at_bank))
        is not None
    ]
    due = next((each for each in to_be_paid if each.id not in at_bank), None)
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
        paid_until=paid_until(periods) or period_ends,
        ends_on=ends_on,
        ends_with_period=found.cancel_at_period_end,
        canceled_at=instant_or_none(found.canceled_at),
        ended_at=instant_or_none(found.ended_at),
        ended_unpaid=bool(details and details.reason == "payment_failed"),
        period_paid=paid_until(periods) is None,
        overdue_since=overdue_since(periods),
        collection_paused=found.pause_collection is not None,
        paused_at=instant(paused.transitioned_at) if paused else None,
        payment_method_id=id_of(found.default_payment_method),
        at_bank_until=at_bank_until(periods),
        pay_url=text(getattr(due, "hosted_invoice_url", None)),
    )


def _invoices_that_tell(
    gateway: Gateway, found: stripe.Subscription, latest: stripe.Invoice | None
) -> list[stripe.Invoice]:
    """Return the invoices that tell how a subscription stands, newest first.

    That is the latest, where it is for a period and paid, or the first; Stripe is asked for the
    others where it is neither.
    """
    if latest is None:
        return []
    newest = period_of(latest, _lines(gateway, latest))
    if (newest is not None and newest.paid) or latest.billing_reason == FIRST:
        return [latest]
    of: InvoiceListParams = {"subscription": found.id, "limit": _PAGE}
    listed = gateway.client.v1.invoices.list
    return gateway.ask(lambda: list(listed(of).auto_paging_iter()))


def _lines(gateway: Gateway, invoice: stripe.Invoice) -> list[stripe.InvoiceLineItem]:
    """Return every line: the first page comes with the invoice, the others are asked for."""
    if not invoice.lines.has_more:
        return invoice.lines.data
    listed = gateway.client.v1.invoices.line_items.list
    return gateway.ask(lambda: list(listed(text(invoice.id), {"limit": _PAGE}).auto_paging_iter()))


def _expanded(invoice: str | stripe.Invoice | None) -> stripe.Invoice | None:
    return invoice if isinstance(invoice, stripe.Invoice) else None


def _subscription_status(status: str) -> SubscriptionStatus:
    try:
        return SubscriptionStatus(status)
    except ValueError:
        return SubscriptionStatus.UNKNOWN


def next_amount(gateway: Gateway, subscription_id: str) -> int | None:
    """Ask what the next invoice of a subscription asks for, in pence; None where none is to come.

    Credit, what was added by hand and what is prorated for a change are in it. Nothing hangs on it
    but a figure in a mail: where Stripe does not say it, nobody knows.

    Source: https://docs.stripe.com/api/invoices/create_preview
    """
    ask = gateway.client.v1.invoices.create_preview
    try:
        return gateway.ask(lambda: ask({"subscription": subscription_id})).amount_due
    except (StripeRefusedError, StripeUnavailableError):
        return None


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


def _failed_charge(intents: tuple[stripe.PaymentIntent, ...]) -> str:
    newest = max(intents, key=lambda intent: intent.created, default=None)
    failed = newest is not None and newest.status == "requires_payment_method"
    return id_of(newest.latest_charge) if newest is not None and failed else ""


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
    of_a_period = lines_for_a_period(found, lines)
    starts, ends = span_of(found, of_a_period or lines)
    prices = (
        id_of(line.pricing.price_details.price)
        for line in (*of_a_period, *lines)
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
        period_starts=starts,
        period_ends=ends,
        payment_intent_ids=tuple(intent.id for intent in intents),
        processing=_processing(intents),
        action_needed=any(intent.status == "requires_action" for intent in intents),
        failed_charge=_failed_charge(intents),
        stuck=_stuck(found),
        overpaid=getattr(found, "amount_overpaid", None) or 0,
    )


def _stuck(found: stripe.Invoice) -> str:
    """Say why a draft could not be made final; once it is, what once stood in the way is over."""
    error = getattr(found, "last_finalization_error", None)
    if error is None or found.status != "draft":
        return ""
    return text(error.message) or text(error.code) or "no reason given"
