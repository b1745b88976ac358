"""What a fund has received."""

from datetime import UTC, date, datetime

from billing.books.totals import fund_donations_count, fund_total
from billing.db import Database
from billing.models import Donation
from tests.billing.books.movements import a_payment, a_subscription_payment, moved


def test_a_fund_has_its_gifts_in_full_less_what_was_given_back(db: Database) -> None:
    with db.unit_of_work() as session:
        gift = a_payment(session)
        moved(session, gift, 25_00, fee=58)
        moved(session, gift, -10_00, category="refund")
        moved(session, a_payment(session, fund="fighting-fund", account="4900"), 5_00, fee=28)
        moved(session, a_subscription_payment(session), 5_49, fee=28)

        assert fund_total(session, "appeal-95") == 15_00
        assert fund_total(session, "fighting-fund") == 5_00
        assert fund_total(session, "roof") == 0
        assert fund_total(session, "") == 0


def test_a_months_total_is_londons_month(db: Database) -> None:
    last_minute = datetime(2026, 6, 30, 22, 59, tzinfo=UTC)
    first_minute = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)
    with db.unit_of_work() as session:
        for at, amount in ((last_minute, 1_00), (first_minute, 2_00)):
            payment = a_payment(session, amount=amount, at=at)
            moved(session, payment, amount, at=at)
            session.add(
                Donation(
                    payment_id=payment.id,
                    fund="appeal-95",
                    amount=amount,
                    currency="gbp",
                    given_at=at,
                )
            )
        session.flush()
        july = date(2026, 7, 1)

        assert fund_total(session, "appeal-95", until=july) == 1_00
        assert fund_total(session, "appeal-95", since=july) == 2_00
        assert fund_donations_count(session, "appeal-95", until=july) == 1
        assert fund_donations_count(session, "appeal-95", since=july) == 1
        assert fund_donations_count(session, "appeal-95") == 2
