"""The ledger is balanced and append-only, and it is the database that sees to it."""

import threading
import time
from datetime import date, datetime
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from billing.books.ledger import Line, account_balance, post
from billing.db import Database
from billing.models import JournalEntry, Posting
from billing.money import Money

DAY = date(2026, 11, 23)


def post_in(session: Session, now: datetime, *lines: Line, source_id: str = "one") -> bool:
    return post(
        session,
        source_kind="test",
        source_id=source_id,
        day=DAY,
        description="A test",
        lines=lines,
        now=now,
    )


def write(db: Database, now: datetime, *lines: Line, source_id: str = "one") -> bool:
    with db.unit_of_work() as session:
        return post_in(session, now, *lines, source_id=source_id)


def add_postings(db: Database, entry_id: UUID) -> None:
    """Write two postings that balance, behind the ledger's back."""
    with db.unit_of_work() as session:
        session.execute(
            sa.insert(Posting),
            [
                {
                    "entry_id": entry_id,
                    "account_code": code,
                    "fund": "",
                    "amount": amount,
                    "currency": "gbp",
                    "day": DAY,
                }
                for code, amount in (("1240", 1), ("4910", -1))
            ],
        )


def pair(pence: int, currency: str = "gbp") -> tuple[Line, Line]:
    return Line("1240", Money(pence, currency)), Line("4910", Money(-pence, currency), "appeal-95")


def counted(db: Database) -> tuple[int, int]:
    """Count the entries and the postings."""
    with db.reading() as session:
        entries = session.scalar(sa.select(sa.func.count()).select_from(JournalEntry))
        postings = session.scalar(sa.select(sa.func.count()).select_from(Posting))
    return entries or 0, postings or 0


def test_an_entry_is_written_with_its_lines_and_leaves_out_a_line_of_nothing(
    db: Database, now: datetime
) -> None:
    assert write(db, now, *pair(25_00), Line("7902", Money(0)))

    with db.reading() as session:
        entry = session.scalars(sa.select(JournalEntry)).one()
        lines = session.execute(
            sa.select(Posting.account_code, Posting.fund, Posting.amount, Posting.day).order_by(
                Posting.id
            )
        ).all()
    assert (entry.source_kind, entry.source_id, entry.day) == ("test", "one", DAY)
    assert [tuple(line) for line in lines] == [
        ("1240", "", 25_00, DAY),
        ("4910", "appeal-95", -25_00, DAY),
    ]


def test_posting_the_same_source_again_changes_nothing(db: Database, now: datetime) -> None:
    assert write(db, now, *pair(25_00))
    assert not write(db, now, *pair(99_00))

    assert counted(db) == (1, 2)


def test_an_entry_of_nothing_is_not_written(db: Database, now: datetime) -> None:
    assert not write(db, now, *pair(0))

    assert counted(db) == (0, 0)


def test_when_many_post_the_same_source_at_once_one_entry_stands(
    db: Database, now: datetime
) -> None:
    wrote: list[bool] = []
    begin = threading.Barrier(6)

    def one() -> None:
        begin.wait()
        wrote.append(write(db, now, *pair(25_00)))

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(wrote) == [False] * 5 + [True]
    assert counted(db) == (1, 2)


def test_who_loses_the_race_for_a_source_keeps_the_rest_of_its_transaction(
    db: Database, now: datetime
) -> None:
    def the_other() -> None:
        with db.unit_of_work() as session:
            for source in ("one", "two"):
                post_in(session, now, *pair(5_00), source_id=source)

    with db.unit_of_work() as session:
        post_in(session, now, *pair(25_00))
        other = threading.Thread(target=the_other)
        other.start()
        time.sleep(0.3)  # it has not seen ours, and waits for it
    other.join(30)

    assert counted(db) == (2, 4)
    with db.reading() as session:
        assert account_balance(session, "1240") == 30_00


def test_the_database_refuses_an_entry_that_does_not_sum_to_zero(
    db: Database, now: datetime
) -> None:
    with pytest.raises(DBAPIError, match="does not sum to zero"):
        write(db, now, Line("1240", Money(25_00)), Line("4910", Money(-24_99)))

    assert counted(db) == (0, 0)


def test_the_database_refuses_to_balance_one_currency_with_another(
    db: Database, now: datetime
) -> None:
    with pytest.raises(DBAPIError, match="does not sum to zero"):
        write(db, now, Line("1240", Money(25_00, "gbp")), Line("4910", Money(-25_00, "eur")))


def test_the_database_refuses_a_single_posting_and_one_without_an_entry(
    db: Database, now: datetime
) -> None:
    with pytest.raises(DBAPIError):
        write(db, now, Line("1240", Money(25_00)))
    with pytest.raises(DBAPIError):
        add_postings(db, uuid4())

    assert counted(db) == (0, 0)


def test_the_database_refuses_an_account_that_is_not_in_the_chart(
    db: Database, now: datetime
) -> None:
    with pytest.raises(DBAPIError):
        write(db, now, Line("1240", Money(1)), Line("9999", Money(-1)))


def test_the_database_refuses_a_posting_added_to_an_entry_already_written(
    db: Database, now: datetime
) -> None:
    write(db, now, *pair(25_00))

    with db.reading() as session:
        entry_id = session.scalars(sa.select(JournalEntry.id)).one()

    with pytest.raises(DBAPIError, match="sealed"):
        add_postings(db, entry_id)


@pytest.mark.parametrize(
    "cheat",
    [
        "UPDATE posting SET amount = amount * 2",
        "DELETE FROM posting",
        "UPDATE journal_entry SET day = '2026-01-01'",
        "DELETE FROM journal_entry",
    ],
)
def test_the_database_refuses_to_change_or_delete_what_is_written(
    db: Database, now: datetime, cheat: str
) -> None:
    write(db, now, *pair(25_00))

    with pytest.raises(DBAPIError, match="append-only"), db.unit_of_work() as session:
        session.execute(sa.text(cheat))

    assert counted(db) == (1, 2)


def test_a_balance_counts_one_currency_and_the_days_before_its_end(
    db: Database, now: datetime
) -> None:
    write(db, now, *pair(25_00), source_id="pounds")
    write(db, now, *pair(7_00, "eur"), source_id="euros")

    with db.reading() as session:
        assert account_balance(session, "1240") == 25_00
        assert account_balance(session, "1240", currency="eur") == 7_00
        assert account_balance(session, "1240", until=DAY) == 0
        assert account_balance(session, "1240", until=date(2026, 11, 24)) == 25_00
