"""What each movement of our balance at Stripe does to the books."""

from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from billing.books import chart
from billing.books.ledger import account_balance
from billing.books.posting import (
    FEE_ACCOUNTS,
    PAYOUTS,
    RULES,
    account_of,
    post_balance_transaction,
)
from billing.books.totals import fund_total
from billing.db import Database
from billing.models import (
    Account,
    BalanceTransaction,
    JournalEntry,
    Payment,
    PaymentPurpose,
    Posting,
    Task,
)
from tests.billing.books.movements import NOON, a_payment, a_subscription_payment, moved
from tests.support.databases import SqliteTemplate

TAccounts = list[tuple[str, str, int]]
PAID_TO = ("4910", "2130", None)


def t_accounts(session: Session, txn: BalanceTransaction) -> TAccounts:
    """Return an entry's lines: account, fund, debit or (negative) credit."""
    lines = session.execute(
        sa.select(Posting.account_code, Posting.fund, Posting.amount)
        .join(JournalEntry, JournalEntry.id == Posting.entry_id)
        .where(JournalEntry.source_id == txn.stripe_balance_transaction_id)
        .order_by(Posting.id)
    )
    return [(line.account_code, line.fund, line.amount) for line in lines]


def open_tasks(session: Session) -> list[tuple[str, str]]:
    return [(task.subject, task.detail) for task in session.scalars(sa.select(Task))]


def asked(txn: BalanceTransaction, amount: str, why: str) -> tuple[str, str]:
    waits = f"{amount} ({txn.source_id}) waits in unallocated receipts (2130): {why}"
    return txn.stripe_balance_transaction_id, waits


def entry_of(session: Session, txn: BalanceTransaction) -> JournalEntry:
    made_by = JournalEntry.source_id == txn.stripe_balance_transaction_id
    return session.scalars(sa.select(JournalEntry).where(made_by)).one()


def test_the_rules_are_these() -> None:
    """Each category: what it is called, the account of its fee, and the account it faces.

    That account is given thrice: for money paid for a gift, for money that is not ours, and where
    no payment is known.
    """
    ours, transit, fee = ("4910", "2130", "2130"), ("1241",) * 3, ("7906",) * 3
    loss = ("7904", "2130", "2130")
    assert {
        category: (rule.called, rule.fees, tuple(account_of(category, to) for to in PAID_TO))
        for category, rule in RULES.items()
    } == {
        "charge": ("Payment", "", ours),
        "refund": ("Refund", "", ours),
        "refund_failure": ("Refund failed", "", ours),
        "charge_failure": ("Payment failed", "", ours),
        "partial_capture_reversal": ("Not captured", "", ours),
        "dispute": ("Dispute", "7903", loss),
        "dispute_reversal": ("Dispute won", "7903", loss),
        "payout": ("Payout", "", transit),
        "payout_reversal": ("Payout failed", "", transit),
        "topup": ("Top-up", "", transit),
        "topup_reversal": ("Top-up failed", "", transit),
        "fee": ("Stripe's fee", "", fee),
    }
    assert {account_of("moon_tax", to) for to in PAID_TO} == {"2130"}
    assert {"payout", "payout_reversal", "topup", "topup_reversal"} == PAYOUTS
    assert {"7901", "7902", "7903", "7906"} == chart.FEES


def test_a_gift_is_income_in_full_and_its_fee_is_our_cost(db: Database) -> None:
    with db.unit_of_work() as session:
        txn = moved(session, a_payment(session), 25_00, fee=58)

        assert t_accounts(session, txn) == [
            ("1240", "", 24_42),
            ("7902", "", 58),
            ("4910", "appeal-95", -25_00),
        ]


def test_a_subscription_payment_goes_to_its_plans_account_and_its_own_fees(db: Database) -> None:
    with db.unit_of_work() as session:
        txn = moved(session, a_subscription_payment(session), 5_49, fee=28)

        assert t_accounts(session, txn) == [
            ("1240", "", 5_21),
            ("7901", "", 28),
            ("4000", "", -5_49),
        ]


def test_a_refund_reverses_the_gift_and_leaves_the_fee_with_stripe(db: Database) -> None:
    with db.unit_of_work() as session:
        txn = moved(session, a_payment(session), -10_00, category="refund")

        assert t_accounts(session, txn) == [("1240", "", -10_00), ("4910", "appeal-95", 10_00)]


def test_a_refund_that_failed_gives_the_fund_its_money_back(db: Database) -> None:
    with db.unit_of_work() as session:
        payment = a_payment(session)
        moved(session, payment, -10_00, category="refund")
        txn = moved(session, payment, 10_00, category="refund_failure")

        assert t_accounts(session, txn) == [("1240", "", 10_00), ("4910", "appeal-95", -10_00)]


def test_a_debit_that_failed_after_all_takes_the_income_back(db: Database) -> None:
    with db.unit_of_work() as session:
        txn = moved(session, a_payment(session), -25_00, category="charge_failure")

        assert t_accounts(session, txn) == [("1240", "", -25_00), ("4910", "appeal-95", 25_00)]


def test_a_payout_is_in_transit_until_the_bank_has_it(db: Database) -> None:
    with db.unit_of_work() as session:
        out = moved(session, None, -20_00, category="payout")
        back = moved(session, None, 20_00, category="payout_reversal")

        assert t_accounts(session, out) == [("1240", "", -20_00), ("1241", "", 20_00)]
        assert t_accounts(session, back) == [("1240", "", 20_00), ("1241", "", -20_00)]
        assert open_tasks(session) == []


def test_a_dispute_is_a_loss_of_the_fund_and_money_won_back_raises_it_again(db: Database) -> None:
    with db.unit_of_work() as session:
        gift = a_payment(session)
        moved(session, gift, 25_00, fee=58)
        taken = moved(session, gift, -25_00, fee=20_00, category="dispute")
        assert fund_total(session, "appeal-95") == 0
        won = moved(session, gift, 25_00, fee=-20_00, category="dispute_reversal")

        assert t_accounts(session, taken) == [
            ("1240", "", -45_00),
            ("7903", "", 20_00),
            ("7904", "appeal-95", 25_00),
        ]
        assert t_accounts(session, won) == [
            ("1240", "", 45_00),
            ("7903", "", -20_00),
            ("7904", "appeal-95", -25_00),
        ]
        assert fund_total(session, "appeal-95") == 25_00
        assert account_balance(session, "4910") == -25_00
        assert open_tasks(session) == []


def test_disputed_money_that_never_was_ours_is_no_loss_of_ours(db: Database) -> None:
    with db.unit_of_work() as session:
        theirs = a_payment(session, PaymentPurpose.FOREIGN, fund="", account=chart.UNALLOCATED)
        taken = moved(session, theirs, -12_00, fee=20_00, category="dispute")
        unknown = moved(session, None, -12_00, category="dispute")

        assert t_accounts(session, taken) == [
            ("1240", "", -32_00),
            ("7903", "", 20_00),
            ("2130", "", 12_00),
        ]
        assert t_accounts(session, unknown) == [("1240", "", -12_00), ("2130", "", 12_00)]
        assert len(open_tasks(session)) == 2


def test_what_stripe_charges_for_itself_is_a_fee_whoever_paid(db: Database) -> None:
    with db.unit_of_work() as session:
        txn = moved(session, None, -3_00, category="fee")

        assert t_accounts(session, txn) == [("1240", "", -3_00), ("7906", "", 3_00)]
        assert open_tasks(session) == []


def test_a_top_up_comes_from_the_bank_as_a_payout_goes_there(db: Database) -> None:
    with db.unit_of_work() as session:
        txn = moved(session, None, 50_00, category="topup")

        assert t_accounts(session, txn) == [("1240", "", 50_00), ("1241", "", -50_00)]


def test_shop_money_goes_to_the_shop_and_its_fee_is_nobody_elses(db: Database) -> None:
    with db.unit_of_work() as session:
        payment = a_payment(session, PaymentPurpose.FOREIGN, fund="", account="4210")
        txn = moved(session, payment, 12_00, fee=38)

        assert t_accounts(session, txn) == [
            ("1240", "", 11_62),
            ("7906", "", 38),
            ("4210", "", -12_00),
        ]
        assert open_tasks(session) == []


def test_foreign_money_without_a_rule_is_unallocated_and_somebody_is_asked(db: Database) -> None:
    with db.unit_of_work() as session:
        payment = a_payment(session, PaymentPurpose.FOREIGN, fund="", account=chart.UNALLOCATED)
        txn = moved(session, payment, 12_00)

        assert t_accounts(session, txn) == [("1240", "", 12_00), ("2130", "", -12_00)]
        why = "somebody else took it on our Stripe account, and no rule says whose it is."
        assert open_tasks(session) == [asked(txn, "£12.00", why)]


def test_money_of_no_payment_we_know_is_unallocated_and_somebody_is_asked(db: Database) -> None:
    with db.unit_of_work() as session:
        txn = moved(session, None, 12_00, fee=38)

        assert t_accounts(session, txn) == [
            ("1240", "", 11_62),
            ("7906", "", 38),
            ("2130", "", -12_00),
        ]
        why = "we know no payment it belongs to."
        assert open_tasks(session) == [asked(txn, "£12.00", why)]


def test_a_movement_stripe_has_yet_to_invent_is_posted_and_somebody_is_asked(
    db: Database,
) -> None:
    with db.unit_of_work() as session:
        txn = moved(session, a_payment(session), -3_00, category="moon_tax")

        assert t_accounts(session, txn) == [("1240", "", -3_00), ("2130", "", 3_00)]
        why = "we have no posting rule for Stripe's category 'moon_tax'."
        assert open_tasks(session) == [asked(txn, "\N{MINUS SIGN}£3.00", why)]


def test_posting_a_movement_again_changes_nothing(db: Database, now: datetime) -> None:
    with db.unit_of_work() as session:
        txn = moved(session, None, 12_00)
        before = t_accounts(session, txn)

        post_balance_transaction(session, txn, payment=None, now=now)

        assert t_accounts(session, txn) == before
        assert len(open_tasks(session)) == 1


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        (datetime(2026, 6, 30, 22, 59, 59, tzinfo=UTC), date(2026, 6, 30)),
        (datetime(2026, 6, 30, 23, 30, tzinfo=UTC), date(2026, 7, 1)),
        (datetime(2027, 3, 31, 23, 15, tzinfo=UTC), date(2027, 4, 1)),
        (datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), date(2026, 11, 30)),
    ],
)
def test_the_books_day_is_londons(db: Database, instant: datetime, day: date) -> None:
    with db.unit_of_work() as session:
        moved(session, a_payment(session), 25_00, at=instant)

        assert session.scalars(sa.select(JournalEntry.day)).one() == day


def test_money_in_another_currency_stays_in_it_on_every_line(db: Database) -> None:
    with db.unit_of_work() as session:
        txn = moved(session, None, 12_00, fee=38, currency="eur")

        assert set(session.scalars(sa.select(Posting.currency))) == {"eur"}
        why = "we know no payment it belongs to."
        assert open_tasks(session) == [asked(txn, "€12.00", why)]


@pytest.mark.parametrize("category", ["fee", "payout"])
def test_what_is_not_the_funds_money_carries_no_fund_though_a_gift_is_known(
    db: Database, category: str
) -> None:
    with db.unit_of_work() as session:
        txn = moved(session, a_payment(session), -3_00, category=category)

        assert [(fund, amount) for _, fund, amount in t_accounts(session, txn)] == [
            ("", -3_00),
            ("", 3_00),
        ]


def test_a_movement_of_nothing_is_neither_posted_nor_asked_about(db: Database) -> None:
    with db.unit_of_work() as session:
        txn = moved(session, None, 0)

        assert t_accounts(session, txn) == []
        assert open_tasks(session) == []


def test_an_entry_says_what_moved_for_what_and_where_stripe_has_it(db: Database) -> None:
    with db.unit_of_work() as session:
        gift, month = a_payment(session), a_subscription_payment(session)
        made = {
            "Refund appeal-95": moved(session, gift, -1_00, category="refund"),
            "Payment digital": moved(session, month, 5_49),
            "Payout": moved(session, None, -20_00, category="payout"),
            "Not recognised: moon_tax": moved(session, None, -3_00, category="moon_tax"),
        }

        for what, txn in made.items():
            entry = entry_of(session, txn)
            assert entry.description == f"{what} {txn.source_id}"
            assert entry.source_kind == "balance_transaction"
        [task] = session.scalars(sa.select(Task))
        assert task.kind == "unallocated-receipt"


def test_the_longest_description_fits_its_column(db: Database) -> None:
    with db.unit_of_work() as session:
        gift = a_payment(session, fund="f" * 60)
        txn = BalanceTransaction(
            stripe_balance_transaction_id="txn_long", reporting_category="c" * 60,
            source_id="s" * 255, amount=1, fee=0, net=1, currency="gbp", created_at=NOON,
        )  # fmt: skip
        post_balance_transaction(session, txn, payment=gift, now=NOON)

        whole = f"Not recognised: {'c' * 60} {'f' * 60} {'s' * 255}"
        assert entry_of(session, txn).description == whole[:300]


def test_every_account_a_rule_names_is_in_the_chart(db: Database) -> None:
    named = {chart.STRIPE, chart.IN_TRANSIT, chart.UNALLOCATED, chart.DISPUTES_LOST, *chart.FEES}
    named |= {chart.OPENING, *FEE_ACCOUNTS.values()}
    with db.reading() as session:
        assert named - set(session.scalars(sa.select(Account.code))) == set()


_category = st.sampled_from([*RULES, "moon_tax"])
_movement = st.tuples(
    _category,
    st.integers(min_value=-1_000_00, max_value=1_000_00),
    st.integers(min_value=0, max_value=50_00),
    st.sampled_from(["gift", "month", "shop", "nobody"]),
)


@given(movements=st.lists(_movement, max_size=12))
@settings(max_examples=40, deadline=None)
def test_whatever_moves_the_ledger_sums_to_zero_and_holds_stripes_balance(
    sqlite_template: SqliteTemplate, movements: list[tuple[str, int, int, str]]
) -> None:
    with sqlite_template.fresh() as url:
        db = Database(url)
        with db.unit_of_work() as session:
            payers: dict[str, Payment | None] = {
                "gift": a_payment(session),
                "month": a_subscription_payment(session),
                "shop": a_payment(session, PaymentPurpose.FOREIGN, fund="", account="4210"),
                "nobody": None,
            }
            txns = [
                moved(session, payers[payer], amount, fee=fee, category=category)
                for category, amount, fee, payer in movements
            ]

            assert session.scalar(sa.select(sa.func.coalesce(sa.func.sum(Posting.amount), 0))) == 0
            assert account_balance(session, chart.STRIPE) == sum(txn.net for txn in txns)
        db.close()
