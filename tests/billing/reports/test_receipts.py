"""A month's receipts by fund."""

from datetime import UTC, datetime

import pytest

from billing.books.ledger import account_balance
from billing.books.totals import fund_total
from billing.db import Database
from billing.models import BalanceTransaction, PaymentPurpose
from billing.money import Money
from billing.reports import read_month, receipts_by_fund, trial_balance
from billing.reports.control import Totals
from tests.billing.books.movements import NOON, a_payment, a_subscription_payment, moved

NOVEMBER = read_month("2026-11")


def test_each_fund_and_plan_has_its_receipts_refunds_fees_and_net(db: Database) -> None:
    with db.unit_of_work() as session:
        gift = a_payment(session)
        moved(session, gift, 25_00, fee=58)
        moved(session, gift, -10_00, category="refund")
        moved(session, a_payment(session, amount=5_00), 5_00, fee=28)
        moved(session, a_subscription_payment(session), 5_49, fee=28)
        moved(session, None, -20_00, category="payout")

        found = receipts_by_fund(session, NOVEMBER)

        assert [(line.account, line.item, line.count) for line in found.lines] == [
            ("4000", "digital", 1),
            ("4910", "appeal-95", 2),
        ]
        assert found.lines[0].totals == Totals(gross=5_49, fee=28)
        assert found.lines[1].totals == Totals(gross=30_00, refunded=-10_00, fee=86)
        assert found.lines[1].totals.net == 19_14
        assert found.totals == {"gbp": Totals(gross=35_49, refunded=-10_00, fee=1_14)}
        assert found.counts == {"gbp": 3}


def test_the_totals_are_the_ledgers_account_by_account(db: Database) -> None:
    with db.unit_of_work() as session:
        gift = a_payment(session)
        moved(session, gift, 25_00, fee=58)
        moved(session, gift, -10_00, category="refund")
        moved(session, None, 3_00)
        moved(session, None, -12_00, category="payout")

        found = receipts_by_fund(session, NOVEMBER)

        assert [(check.what, check.ledger) for check in found.checks] == [
            ("2130 Unallocated receipts", Money(3_00)),
            ("4910 95th Anniversary Appeal", Money(fund_total(session, "appeal-95"))),
            ("Card fees", Money(58)),
            ("1240 Stripe balance: net, before payouts", Money(17_42)),
            ("1240 Stripe balance: opening + net - payouts = closing", Money(5_42)),
        ]
        assert all(check.agrees for check in found.checks)


def test_a_movement_that_is_not_in_the_ledger_is_said_to_the_penny(db: Database) -> None:
    with db.unit_of_work() as session:
        payment = a_payment(session)
        moved(session, payment, 25_00, fee=58)
        session.add(
            BalanceTransaction(
                stripe_balance_transaction_id="txn_unposted",
                type="charge",
                reporting_category="charge",
                amount=1_00,
                fee=20,
                net=80,
                currency="gbp",
                source_id="ch_unposted",
                payment_id=payment.id,
                created_at=NOON,
            )
        )
        session.flush()

        wrong = [c for c in receipts_by_fund(session, NOVEMBER).checks if not c.agrees]

        assert [(check.what, check.difference) for check in wrong] == [
            ("4910 95th Anniversary Appeal", Money(1_00)),
            ("Card fees", Money(20)),
            ("1240 Stripe balance: net, before payouts", Money(80)),
            ("1240 Stripe balance: opening + net - payouts = closing", Money(80)),
        ]


def test_a_month_has_what_happened_on_its_london_days_and_nothing_else(db: Database) -> None:
    june, july = read_month("2026-06"), read_month("2026-07")
    with db.unit_of_work() as session:
        for at, amount in (
            (datetime(2026, 5, 31, 22, 59, 59, tzinfo=UTC), 1_00),
            (datetime(2026, 5, 31, 23, 0, tzinfo=UTC), 2_00),
            (datetime(2026, 6, 30, 22, 59, 59, tzinfo=UTC), 4_00),
            (datetime(2026, 6, 30, 23, 30, tzinfo=UTC), 8_00),
        ):
            moved(session, a_payment(session, at=at), amount, at=at)

        assert receipts_by_fund(session, june).totals["gbp"].gross == 6_00
        assert receipts_by_fund(session, july).totals["gbp"].gross == 8_00
        for month in (june, july):
            assert all(check.agrees for check in receipts_by_fund(session, month).checks)


def test_currencies_never_add_up(db: Database) -> None:
    with db.unit_of_work() as session:
        moved(session, a_payment(session), 25_00)
        moved(session, a_payment(session, currency="eur"), 7_00, currency="eur")

        found = receipts_by_fund(session, NOVEMBER)

        assert found.totals == {"gbp": Totals(gross=25_00), "eur": Totals(gross=7_00)}
        assert [(line.currency, line.totals.gross) for line in found.lines] == [
            ("eur", 7_00),
            ("gbp", 25_00),
        ]
        assert all(check.agrees for check in found.checks)


@pytest.mark.parametrize("currency", ["jpy", "krw", "ugx", "isk", "huf", "twd", "kwd", "bhd"])
def test_money_of_a_currency_without_decimals_or_with_three_is_booked_in_its_own_units(
    db: Database, currency: str
) -> None:
    with db.unit_of_work() as session:
        gift = a_payment(session, amount=1_500, currency=currency)
        moved(session, gift, 1_500, fee=57, currency=currency)
        moved(session, gift, -500, category="refund", currency=currency)
        moved(session, None, -943, category="payout", currency=currency)

        assert account_balance(session, "4910", currency=currency) == -1_000
        assert account_balance(session, "1240", currency=currency) == 0
        found = receipts_by_fund(session, NOVEMBER)
        assert found.totals == {currency: Totals(gross=1_500, refunded=-500, fee=57)}
        assert all(check.agrees for check in found.checks)
        assert fund_total(session, "appeal-95") == 0  # the appeal counts in pounds


def test_the_shops_money_stands_on_its_own_line(db: Database) -> None:
    with db.unit_of_work() as session:
        shop = a_payment(session, PaymentPurpose.FOREIGN, fund="", account="4210")
        moved(session, shop, 12_00, fee=38)

        (line,) = receipts_by_fund(session, NOVEMBER).lines

        assert (line.account_name, line.item, line.totals.net) == ("Shop: merchandise", "", 11_62)


def test_a_month_in_which_nothing_happened_agrees_too(db: Database) -> None:
    with db.reading() as session:
        found = receipts_by_fund(session, NOVEMBER)

        assert (found.lines, found.totals, found.counts) == ([], {}, {})
        assert all(check.agrees for check in found.checks)


def test_disputes_fees_and_payouts_of_any_kind_agree_with_the_ledger(db: Database) -> None:
    with db.unit_of_work() as session:
        gift = a_payment(session)
        moved(session, gift, 25_00, fee=58)
        moved(session, gift, -25_00, fee=20_00, category="dispute")
        moved(session, a_payment(session, amount=5_00), 5_00, fee=28)
        moved(session, None, -1_20, category="fee")
        moved(session, None, -4_00, fee=4, category="payout")
        moved(session, None, 50_00, category="topup")
        moved(session, None, 7_00, category="moon_tax")

        found = receipts_by_fund(session, NOVEMBER)

        assert [(line.account, line.item, line.totals) for line in found.lines] == [
            ("2130", "", Totals(other=7_00)),
            ("4910", "appeal-95", Totals(gross=30_00, fee=86)),
            ("7904", "appeal-95", Totals(refunded=-25_00, fee=20_00)),
            ("7906", "", Totals(fee=1_20)),
        ]
        assert [check.what for check in found.checks if not check.agrees] == []
        month = trial_balance(session, NOVEMBER)
        assert [check.what for check in month.checks if not check.agrees] == []
