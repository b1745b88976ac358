"""Which periods of a subscription are paid, by every way its invoices may stand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from billing.stripe_gateway.periods import (
    Period,
    at_bank_until,
    lines_for_a_period,
    overdue_since,
    paid_until,
    period_of,
    span_of,
)

DAY = timedelta(days=1)
JANUARY = datetime(2027, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2027, 2, 1, tzinfo=UTC)
MARCH = datetime(2027, 3, 1, tzinfo=UTC)
APRIL = datetime(2027, 4, 1, tzinfo=UTC)
PAID = Period(JANUARY, FEBRUARY, JANUARY, paid=True, owed=False, worth=5_49)
OWED = Period(FEBRUARY, MARCH, FEBRUARY, paid=False, owed=True, worth=5_49)
VOID = replace(OWED, owed=False)
FREE = replace(OWED, paid=True, owed=False, worth=0)
LATER = Period(MARCH, APRIL, MARCH, paid=False, owed=True, worth=5_49)


@pytest.mark.parametrize(
    ("periods", "until", "since"),
    [
        ([], None, None),
        ([PAID], None, None),
        ([replace(LATER, paid=True, owed=False), OWED, PAID], None, None),
        ([OWED], FEBRUARY, FEBRUARY),
        ([OWED, PAID], FEBRUARY, FEBRUARY),
        ([LATER, OWED, PAID], FEBRUARY, FEBRUARY),
        # What was made void is not owed, and was not paid.
        ([VOID, PAID], FEBRUARY, None),
        ([LATER, VOID, PAID], FEBRUARY, MARCH),
        # Who has never paid was to pay at the start, though nobody asks for that any more.
        ([VOID], FEBRUARY, FEBRUARY),
        ([LATER, VOID], FEBRUARY, FEBRUARY),
        ([replace(LATER, owed=False), replace(VOID, due=FEBRUARY + DAY)], FEBRUARY, FEBRUARY + DAY),
        # A trial given meanwhile is no payment, and one at the beginning is.
        ([LATER, FREE, OWED], MARCH, FEBRUARY),
        ([LATER, replace(FREE, due=JANUARY), OWED], MARCH, FEBRUARY),
        ([FREE, replace(OWED, due=JANUARY)], None, None),
        ([LATER, replace(FREE, worth=1), replace(OWED, due=JANUARY)], MARCH, MARCH),
        ([LATER, FREE], MARCH, MARCH),
        ([replace(LATER, owed=False), FREE], MARCH, None),
        ([LATER, FREE, OWED, PAID], MARCH, MARCH),
        # What was paid for ends later than a change was asked for.
        ([replace(OWED, due=JANUARY + DAY, starts=JANUARY + DAY), PAID], FEBRUARY, FEBRUARY),
        # Whoever pays by transfer is late only once it is due.
        ([replace(OWED, due=FEBRUARY + 30 * DAY), PAID], FEBRUARY, FEBRUARY + 30 * DAY),
        # A change began another period before this one was over.
        ([replace(OWED, starts=JANUARY + 9 * DAY), PAID], FEBRUARY, FEBRUARY),
        # And so did the end of a trial.
        (
            [replace(OWED, starts=JANUARY + DAY, due=JANUARY + DAY), replace(PAID, worth=0)],
            JANUARY + DAY,
            JANUARY + DAY,
        ),
        ([OWED, replace(PAID, worth=1)], FEBRUARY, FEBRUARY),
        ([replace(OWED, starts=JANUARY), replace(PAID, worth=1)], FEBRUARY, FEBRUARY),
        # Of what was paid, the last counts.
        (
            [OWED, PAID, replace(PAID, ends=FEBRUARY + 300 * DAY)],
            FEBRUARY,
            FEBRUARY,
        ),
    ],
)
def test_what_is_paid_ends_where_the_last_paid_period_does(
    periods: list[Period], until: datetime | None, since: datetime | None
) -> None:
    assert (paid_until(periods), overdue_since(periods)) == (until, since)


@pytest.mark.parametrize(
    ("periods", "until"),
    [
        ([], None),
        ([OWED, PAID], None),
        ([replace(OWED, at_bank=True), PAID], MARCH),
        # The newest is not asked for, and the bank works on the one before.
        ([replace(LATER, owed=False), replace(OWED, at_bank=True), PAID], MARCH),
        ([replace(LATER, at_bank=True), replace(OWED, at_bank=True)], APRIL),
        # What was paid since is what counts.
        ([replace(LATER, paid=True), replace(OWED, at_bank=True)], None),
    ],
)
def test_a_bank_works_on_what_has_not_been_paid_since(
    periods: list[Period], until: datetime | None
) -> None:
    assert at_bank_until(periods) == until


def line(starts: datetime, ends: datetime, amount: int = 5_49, **item: Any) -> dict[str, Any]:
    details = {"subscription_item_details": item or None}
    return {
        "amount": amount,
        "period": {"start": int(starts.timestamp()), "end": int(ends.timestamp())},
        "parent": details if item else None,
    }


def bill(
    status: str = "paid", reason: str = "subscription_cycle", due: datetime | None = None
) -> stripe.Invoice:
    said = {
        "status": status,
        "billing_reason": reason,
        "due_date": int(due.timestamp()) if due else None,
        "period_start": int(MARCH.timestamp()),
        "period_end": int(APRIL.timestamp()),
    }
    return stripe.Invoice.construct_from(said, "key")


def lines(*said: dict[str, Any]) -> list[stripe.InvoiceLineItem]:
    return [stripe.InvoiceLineItem.construct_from(each, "key") for each in said]


WHOLE = line(FEBRUARY, MARCH, proration=False)
PART = line(JANUARY, FEBRUARY, 1_00, proration=True)
BY_HAND = line(JANUARY, APRIL, 9_00)
NO_ITEM = {**BY_HAND, "parent": {"subscription_item_details": None}}


@pytest.mark.parametrize(
    ("status", "paid", "owed"),
    [
        ("paid", True, False),
        ("void", False, False),
        ("draft", False, False),
        ("open", False, True),
        ("uncollectible", False, True),
    ],
)
def test_a_period_is_what_its_own_lines_say_and_no_others(
    status: str, *, paid: bool, owed: bool
) -> None:
    said = lines(BY_HAND, PART, NO_ITEM, WHOLE)

    found = Period(FEBRUARY, MARCH, FEBRUARY, paid=paid, owed=owed, worth=5_49)
    assert period_of(bill(status), said) == found
    assert period_of(bill(status), said, at_bank=True) == replace(found, at_bank=True)


def test_what_was_given_up_because_nobody_collected_is_not_owed() -> None:
    def given_up(reason: str) -> stripe.Invoice:
        details = {"uncollectible": {"reason": reason}}
        return stripe.Invoice.construct_from(
            {**bill("uncollectible").to_dict(), "status_details": details}, "key"
        )

    found = [
        period_of(given_up(why), lines(WHOLE)) for why in ("subscription_paused", "user_forgiven")
    ]

    assert [each and each.owed for each in found] == [False, True]


def test_an_invoice_for_nothing_of_a_period_is_none() -> None:
    assert period_of(bill(), lines(BY_HAND, PART, NO_ITEM)) is None
    assert period_of(bill(), []) is None


def test_the_first_invoice_is_for_a_period_though_it_is_prorated() -> None:
    first = bill(reason="subscription_create")

    assert lines_for_a_period(first, lines(PART, BY_HAND, WHOLE)) == lines(PART, WHOLE)
    assert period_of(first, lines(PART, WHOLE)) == Period(
        JANUARY, MARCH, JANUARY, paid=True, owed=False, worth=6_49
    )


def test_an_invoice_may_be_due_after_its_period_began() -> None:
    due = FEBRUARY + 30 * DAY

    found = period_of(bill("open", due=due), lines(WHOLE))

    assert found is not None
    assert (found.starts, found.due) == (FEBRUARY, due)


def test_without_lines_an_invoice_is_for_what_it_says_itself() -> None:
    assert span_of(bill(), []) == (MARCH, APRIL)
    assert span_of(bill(), lines(WHOLE, PART)) == (JANUARY, MARCH)
