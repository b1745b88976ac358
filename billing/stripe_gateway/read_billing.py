"""What Stripe Billing says of subscriptions and invoices, in our small frozen types."""

from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

import stripe
from stripe.params import InvoiceListParams

from billing.models import Interval, SubscriptionStatus
from billing.stripe_gateway.client import Gateway
from billing.stripe_gateway.items import all_items, amount_due
from billing.stripe_gateway.told import may_be_told
from billing.stripe_gateway.types import (
    StripeInvoice,
    StripeSubscription,
)
from billing.stripe_gateway.values import id_of, instant, instant_or_none, text, words

_PAGE = 100
_FIRST = "subscription_create"


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
    periods = _periods(gateway, found, latest)
    unpaid = list(takewhile(lambda period: not period.paid, periods))
    to_be_paid = latest if latest is not None and latest.status == "open" else None
    bank_at_work = to_be_paid is not None and _processing(_payments_of(gateway, to_be_paid))
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
        paid_until=_paid_until(periods, unpaid) if unpaid else period_ends,
        ends_on=ends_on,
        ends_with_period=found.cancel_at_period_end,
        canceled_at=instant_or_none(found.canceled_at),
        ended_at=instant_or_none(found.ended_at),
        ended_unpaid=bool(details and details.reason == "payment_failed"),
        period_paid=not unpaid,
        overdue_since=min((each.due for each in unpaid if each.owed), default=None),
        collection_paused=found.pause_collection is not None,
        paused_at=instant(paused.transitioned_at) if paused else None,
        payment_method_id=id_of(found.default_payment_method),
        bank_at_work=bank_at_work,
        pay_url="" if bank_at_work else text(getattr(to_be_paid, "hosted_invoice_url", None)),
    )


@dataclass(frozen=True, slots=True)
class _Period:
    """A period of a subscription, as its invoice has it.

    Attributes:
        due: when it is to be paid: later than it begins for whoever pays by transfer.
        owed: neither paid nor made void, which is as if it had never been asked for.
    """

    starts: datetime
    ends: datetime
    due: datetime
    paid: bool
    owed: bool


def _periods(
    gateway: Gateway, found: stripe.Subscription, latest: stripe.Invoice | None
) -> list[_Period]:
    """Return the periods that were invoiced, newest first; of the first, or a paid one, no more.

    Invoices for a period alone tell what is paid: what is owed for a change in its middle takes
    nothing away of it, and says nothing of a debit still under way. Stripe may move on from one
    unpaid period to the next, or begin another before the last is over; whoever looks only then
    must come to the same as who looked all the time.
    """
    if latest is None:
        return []
    newest = _period_of(gateway, latest)
    if newest is not None and (newest.paid or latest.billing_reason == _FIRST):
        return [newest]
    every = (_period_of(gateway, each) for each in _invoices_of(gateway, found.id))
    return [period for period in every if period is not None]


def _period_of(gateway: Gateway, invoice: stripe.Invoice) -> _Period | None:
    lines = _of_a_period(invoice, _lines(gateway, invoice))
    if not lines:
        return None
    starts, ends = _period(invoice, lines)
    status = text(invoice.status)
    return _Period(
        starts,
        ends,
        due=instant_or_none(invoice.due_date) or starts,
        paid=status == "paid",
        owed=status not in ("paid", "void"),
    )


def _paid_until(periods: list[_Period], unpaid: list[_Period]) -> datetime:
    """Return where what is paid ends: a change may begin a period before the last one is over."""
    starts = min(each.starts for each in unpaid)
    last_paid = periods[len(unpaid) :][:1]
    return max([starts, *(each.ends for each in last_paid)])


def _invoices_of(gateway: Gateway, subscription_id: str) -> list[stripe.Invoice]:
    """Read every invoice of a subscription, newest first."""
    of: InvoiceListParams = {"subscription": subscription_id, "limit": _PAGE}
    listed = gateway.client.v1.invoices.list
    return gateway.ask(lambda: list(listed(of).auto_paging_iter()))


def _expanded(invoice: str | stripe.Invoice | None) -> stripe.Invoice | None:
    return invoice if isinstance(invoice, stripe.Invoice) else None


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
    of_a_period = _of_a_period(found, lines)
    starts, ends = _period(found, of_a_period or lines)
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


def _of_a_period(
    found: stripe.Invoice, lines: list[stripe.InvoiceLineItem]
) -> list[stripe.InvoiceLineItem]:
    """Return the lines that are for a period of the subscription: its first, or a whole one.

    What was added by hand, or is prorated for a change, stands beside them and often before them.

    Source: https://docs.stripe.com/api/invoice-line-item/object
    """
    first = found.billing_reason == _FIRST
    items = (
        (line, line.parent.subscription_item_details if line.parent else None) for line in lines
    )
    return [line for line, item in items if item and (first or not item.proration)]


def _period(
    found: stripe.Invoice, lines: list[stripe.InvoiceLineItem]
) -> tuple[datetime, datetime]:
    starts = min((line.period.start for line in lines), default=found.period_start)
    ends = max((line.period.end for line in lines), default=found.period_end)
    return instant(starts), instant(ends)
