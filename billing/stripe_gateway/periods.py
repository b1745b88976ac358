"""Which periods of a subscription are paid: told by its invoices, whatever we held before.

Invoices for a period alone tell what is paid. What is owed for a change in its middle takes nothing
away of it, and says nothing of a debit still under way. Stripe may move on from one unpaid period
to the next, or begin another before the last is over; whoever looks only then must come to the same
as who looked all the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import stripe

from billing.stripe_gateway.values import instant, instant_or_none

FIRST: Final = "subscription_create"


@dataclass(frozen=True, slots=True)
class Period:
    """A period of a subscription, as its invoice has it.

    Attributes:
        due: when it is to be paid: later than it begins for whoever pays by transfer.
        paid: it is.
        owed: it was asked for and is not paid. A draft was not, nor what was given up unasked
            because collection was paused, and what was made void is as if it had never been.
        worth: what its lines come to, in pence: nothing for a trial.
        at_bank: a bank works on its payment, and nobody knows yet how that ends.
    """

    starts: datetime
    ends: datetime
    due: datetime
    paid: bool
    owed: bool
    worth: int
    at_bank: bool = False


def period_of(
    invoice: stripe.Invoice, lines: Sequence[stripe.InvoiceLineItem], *, at_bank: bool = False
) -> Period | None:
    """Return the period an invoice asks for; None where it asks for something else."""
    of_a_period = lines_for_a_period(invoice, lines)
    if not of_a_period:
        return None
    starts, ends = span_of(invoice, of_a_period)
    return Period(
        starts,
        ends,
        due=instant_or_none(invoice.due_date) or starts,
        paid=invoice.status == "paid",
        owed=invoice.status == "open"
        or (invoice.status == "uncollectible" and not _unasked(invoice)),
        worth=sum(line.amount for line in of_a_period),
        at_bank=at_bank,
    )


def _unasked(invoice: stripe.Invoice) -> bool:
    """Whether an invoice was given up because collection was paused when it was made.

    Source: https://docs.stripe.com/changelog/endive/2026-09-30/invoice-uncollectible-status-detail
    """
    given_up = getattr(getattr(invoice, "status_details", None), "uncollectible", None)
    return getattr(given_up, "reason", None) == "subscription_paused"


def lines_for_a_period(
    invoice: stripe.Invoice, lines: Sequence[stripe.InvoiceLineItem]
) -> list[stripe.InvoiceLineItem]:
    """Return the lines that are for a period of the subscription: its first, or a whole one.

    What was added by hand, or is prorated for a change, stands beside them and often before them.

    Source: https://docs.stripe.com/api/invoice-line-item/object
    """
    first = invoice.billing_reason == FIRST
    items = (
        (line, line.parent.subscription_item_details if line.parent else None) for line in lines
    )
    return [line for line, item in items if item and (first or not item.proration)]


def span_of(
    invoice: stripe.Invoice, lines: Sequence[stripe.InvoiceLineItem]
) -> tuple[datetime, datetime]:
    """Return from when until when lines of an invoice are; without any, what the invoice says."""
    starts = min((line.period.start for line in lines), default=invoice.period_start)
    ends = max((line.period.end for line in lines), default=invoice.period_end)
    return instant(starts), instant(ends)


def paid_until(periods: Sequence[Period]) -> datetime | None:
    """Return where what is paid ends, if the newest period is not paid; None where it is.

    That is where the first unpaid period begins, or later: a change may begin one before the last
    is over, and what was paid for stays paid. A trial that was cut short was paid by nobody.

    Args:
        periods: newest first.
    """
    unpaid = _unpaid(periods)
    if not unpaid:
        return None
    last_paid = periods[len(unpaid) : len(unpaid) + 1]
    starts = min(each.starts for each in unpaid)
    return max([starts, *(each.ends for each in last_paid if each.worth > 0)])


def overdue_since(periods: Sequence[Period]) -> datetime | None:
    """Return since when nothing is paid that is owed; None where nothing is owed.

    That is when the first payment was due since the last that was made, and no earlier than what
    that one paid for ends. Whoever has never paid was to do so when the first of all was due,
    whatever became of that one. A period for nothing is no payment, but for the trial that it all
    began with.

    Args:
        periods: newest first.
    """
    until, first = paid_until(periods), len(periods) - 1
    if until is None:
        return None
    paid = (n for n, each in enumerate(periods) if each.paid and (each.worth > 0 or n == first))
    last = next(paid, None)
    unpaid = [each for each in periods[:last] if not each.paid]
    if last is None:
        return min(each.due for each in unpaid)
    owed = [each.due for each in unpaid if each.owed]
    return max(min(owed), until) if owed else None


def at_bank_until(periods: Sequence[Period]) -> datetime | None:
    """Return the end of the last unpaid period that a bank works on; None where none does."""
    return max((each.ends for each in _unpaid(periods) if each.at_bank), default=None)


def _unpaid(periods: Sequence[Period]) -> Sequence[Period]:
    paid = (number for number, each in enumerate(periods) if each.paid)
    return periods[: next(paid, len(periods))]
