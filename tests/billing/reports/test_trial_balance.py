"""The trial balance."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from billing.db import Database
from billing.reports import read_month, trial_balance
from billing.reports.trial_balance import BalanceLine
from tests.billing.books.movements import a_payment, moved
from tests.support.databases import SqliteTemplate

NOVEMBER = read_month("2026-11")
OCTOBER_DAY = datetime(2026, 10, 31, 23, 59, tzinfo=UTC)


def figures(lines: list[BalanceLine]) -> list[tuple[str, int, int, int, int]]:
    return [(x.account, x.opening, x.debits, x.credits, x.closing) for x in lines]


def test_every_account_opens_where_the_month_before_closed(db: Database) -> None:
    with db.unit_of_work() as session:
        gift = a_payment(session)
        moved(session, gift, 25_00, fee=58, at=OCTOBER_DAY)
        moved(session, gift, -10_00, category="refund")

        found = trial_balance(session, NOVEMBER)

        assert figures(found.lines) == [
            ("1240", 24_42, 0, -10_00, 14_42),
            ("4910", -25_00, 10_00, 0, -15_00),
            ("7902", 58, 0, 0, 58),
        ]
        assert (found.entries, found.postings) == (1, 2)
        before = trial_balance(session, NOVEMBER.before)
        assert [x.closing for x in before.lines] == [x.opening for x in found.lines]
        assert all(check.agrees for check in [*before.checks, *found.checks])


def test_the_columns_have_totals_currency_by_currency_and_sterling_always(db: Database) -> None:
    with db.unit_of_work() as session:
        moved(session, a_payment(session, currency="eur"), 7_00, fee=40, currency="eur")
        moved(session, a_payment(session), 25_00, fee=58, at=OCTOBER_DAY)

        found = trial_balance(session, NOVEMBER)

        assert found.totals == {"eur": (0, 7_00, -7_00, 0), "gbp": (0, 0, 0, 0)}
        assert trial_balance(session, NOVEMBER.before.before).totals == {"gbp": (0, 0, 0, 0)}


def test_later_months_are_not_in_it(db: Database) -> None:
    with db.unit_of_work() as session:
        moved(session, a_payment(session), 25_00)

        assert trial_balance(session, NOVEMBER.before).lines == []


@given(
    st.lists(
        st.tuples(
            st.integers(min_value=-500_00, max_value=500_00),
            st.integers(min_value=0, max_value=9_00),
            st.sampled_from([9, 10, 11, 12]),
            st.sampled_from(["gbp", "eur"]),
            st.sampled_from(["charge", "refund", "payout", "fee"]),
        ),
        max_size=10,
    )
)
@settings(max_examples=30, deadline=None)
def test_whatever_happened_every_month_sums_to_zero_and_holds_stripes_balance(
    sqlite_template: SqliteTemplate, movements: list[tuple[int, int, int, str, str]]
) -> None:
    with sqlite_template.fresh() as url:
        db = Database(url)
        with db.unit_of_work() as session:
            gift = a_payment(session)
            for amount, fee, month, currency, category in movements:
                at = datetime(2026, month, 28, 12, 0, tzinfo=UTC)
                moved(session, gift, amount, fee=fee, at=at, currency=currency, category=category)
            for month in (8, 9, 10, 11, 12):
                found = trial_balance(session, read_month(f"2026-{month:02}"))
                assert [check.what for check in found.checks if not check.agrees] == []
        db.close()
