"""The files finance downloads."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime

from billing.db import Database
from billing.models import Receipt
from billing.reports import Stamp, export, file_name, read_month
from tests.billing.books.movements import NOON, a_payment, a_subscription_payment, moved

NOVEMBER = read_month("2026-11")
STAMP = Stamp("People's Press Printing Society Limited", "Rosa (finance)", NOON)


def records(db: Database, name: str) -> list[list[str]]:
    """Read a whole report, without the empty fields at the end of its records."""
    with db.reading() as session:
        file = b"".join(export(session, name, NOVEMBER, stamp=STAMP)).decode("utf-8-sig")
    read = list(csv.reader(io.StringIO(file, newline="")))
    assert len({len(record) for record in read}) == 1
    for record in read:
        while record and record[-1] == "":
            record.pop()
    return read


def some_of_november(db: Database) -> None:
    with db.unit_of_work() as session:
        gift = a_payment(session, payer="=HYPERLINK('evil')")
        session.add(Receipt(series="D", number=7, payment_id=gift.id, issued_at=NOON))
        moved(session, gift, 25_00, fee=58)
        later = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
        moved(session, gift, -10_00, category="refund", at=later)
        month = a_subscription_payment(session, at=later)
        moved(session, month, 5_49, fee=28, at=later)
        moved(session, None, -20_00, category="payout", at=later)


def test_the_head_says_whose_books_which_days_who_asked_and_that_it_is_a_draft(
    db: Database,
) -> None:
    some_of_november(db)

    units = "Pounds and pence, or the currency named"
    for name, title, signs in (
        ("payments", "Payments", "money out is negative; Net = Gross + Refunded + Other - Fee"),
        (
            "trial-balance",
            "Trial balance",
            "debits are positive and credits negative; Closing = Opening + Debits + Credits",
        ),
    ):
        assert records(db, name)[:9] == [
            ["People's Press Printing Society Limited"],
            [title],
            ["Period", "1 to 30 November 2026, London days (Europe/London)"],
            ["Generated", "2026-11-23 12:00 GMT by Rosa (finance)"],
            ["Source data up to", "2026-11-24 12:00 GMT"],
            ["Filters", "none"],
            ["Amounts", f"{units}; {signs}"],
            ["Status", "DRAFT: this month is not over"],
            [],
        ]


def test_the_status_says_how_far_a_month_has_come() -> None:
    late = "DRAFT: this period is not locked; late entries may still change it"

    assert STAMP.status(NOVEMBER.before) == late
    assert STAMP.status(NOVEMBER) == "DRAFT: this month is not over"
    assert STAMP.status(NOVEMBER.following) == "DRAFT: this month has not begun"
    first_of_december = replace(STAMP, at=NOVEMBER.ends)
    assert first_of_december.status(NOVEMBER) == late


def test_the_payments_file_has_a_row_for_each_movement_and_ends_with_its_controls(
    db: Database,
) -> None:
    some_of_november(db)

    found = records(db, "payments")[9:]

    assert found[0][:6] == ["Date", "What", "Receipt", "Payer", "Fund or plan", "Account"]
    assert [record[:13] for record in found[1:4]] == [
        ["2026-11-23", "Payment", "D-000007", "'=HYPERLINK('evil')", "appeal-95", "4910",
         "GBP", "25.00", "0.00", "0.00", "0.58", "24.42", "Visa ending 4242"],
        ["2026-11-24", "Payment", "", "A Reader", "digital", "4000",
         "GBP", "5.49", "0.00", "0.00", "0.28", "5.21", "Visa ending 4242"],
        ["2026-11-24", "Refund", "D-000007", "'=HYPERLINK('evil')", "appeal-95", "4910",
         "GBP", "0.00", "-10.00", "0.00", "0.00", "-10.00", "Visa ending 4242"],
    ]  # fmt: skip
    assert found[4:] == [
        [],
        ["Total", "", "", "", "", "", "GBP", "30.49", "-10.00", "0.00", "0.86", "19.63"],
        [],
        ["Rows: Payment", "2"],
        ["Rows: Refund", "1"],
        [],
        ["Rows", "3"],
        ["Control", "Currency", "This report", "Ledger", "Difference", "Result"],
        ["4000 Digital subscriptions", "GBP", "5.49", "5.49", "0.00", "agrees"],
        ["4910 95th Anniversary Appeal", "GBP", "15.00", "15.00", "0.00", "agrees"],
        ["Card fees", "GBP", "0.86", "0.86", "0.00", "agrees"],
        ["1240 Stripe balance: net, before payouts", "GBP", "19.63", "19.63", "0.00", "agrees"],
        ["1240 Stripe balance: opening + net - payouts = closing",
         "GBP", "-0.37", "-0.37", "0.00", "agrees"],
        ["End of report", "agrees with the ledger"],
    ]  # fmt: skip


def test_a_refund_of_the_same_second_comes_after_its_payment(db: Database) -> None:
    with db.unit_of_work() as session:
        gift = a_payment(session)
        moved(session, gift, -10_00, category="refund")
        moved(session, gift, 25_00)

    assert [record[1] for record in records(db, "payments")[10:12]] == ["Payment", "Refund"]


def test_the_trial_balance_file_ends_with_sums_of_zero(db: Database) -> None:
    some_of_november(db)

    found = records(db, "trial-balance")[9:]

    assert found[:7] == [
        ["Account", "Name", "Kind", "Currency", "Opening", "Debits", "Credits", "Closing"],
        ["1240", "Stripe balance", "asset", "GBP", "0.00", "29.63", "-30.00", "-0.37"],
        ["1241", "Stripe payouts in transit", "asset", "GBP", "0.00", "20.00", "0.00", "20.00"],
        ["4000", "Digital subscriptions", "income", "GBP", "0.00", "0.00", "-5.49", "-5.49"],
        ["4910", "95th Anniversary Appeal", "income", "GBP", "0.00", "10.00", "-25.00", "-15.00"],
        ["7901", "Card fees: subscriptions", "expense", "GBP", "0.00", "0.28", "0.00", "0.28"],
        ["7902", "Card fees: gifts", "expense", "GBP", "0.00", "0.58", "0.00", "0.58"],
    ]
    assert found[-13:] == [
        [],
        ["Total", "", "", "GBP", "0.00", "60.49", "-60.49", "0.00"],
        [],
        ["Journal entries in the month", "4"],
        ["Postings in the month", "10"],
        [],
        ["Rows", "6"],
        ["Control", "Currency", "This report", "Ledger", "Difference", "Result"],
        ["Opening balances sum to zero", "GBP", "0.00", "0.00", "0.00", "agrees"],
        ["Debits equal credits", "GBP", "0.00", "0.00", "0.00", "agrees"],
        ["Closing balances sum to zero", "GBP", "0.00", "0.00", "0.00", "agrees"],
        ["1240 Stripe balance: closing, as the sum of Stripe's movements",
         "GBP", "-0.37", "-0.37", "0.00", "agrees"],
        ["End of report", "agrees with the ledger"],
    ]  # fmt: skip


def test_an_empty_month_is_a_whole_report_with_nothing_in_it(db: Database) -> None:
    found = records(db, "payments")

    assert found[4] == ["Source data up to", "nothing received yet"]
    assert ["Total", "", "", "", "", "", "GBP", *["0.00"] * 5] in found
    assert ["Rows", "0"] in found
    assert found[-1] == ["End of report", "agrees with the ledger"]


def test_the_same_month_asked_again_is_the_same(db: Database) -> None:
    some_of_november(db)

    assert records(db, "payments") == records(db, "payments")


def test_a_file_is_named_for_its_report_and_its_month() -> None:
    assert file_name("trial-balance", NOVEMBER) == "trial-balance-2026-11.csv"
