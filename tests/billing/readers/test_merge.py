"""Proving an address: what is one's own comes along, and nobody else keeps a key."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from billing import readers, sign_in
from billing.db import Base, Database
from billing.models import (
    Checkout,
    CheckoutKind,
    CheckoutStatus,
    Customer,
    Donation,
    Entitlement,
    EntitlementSource,
    GiftLink,
    Interval,
    Meter,
    OutboxMessage,
    OwedState,
    Payment,
    PaymentPurpose,
    PaymentStatus,
    Reader,
    ReaderLook,
    Subscription,
    SubscriptionStatus,
    Task,
    WebSession,
)
from billing.readers.meters import HASH

ROSA = "rosa@example.org"


def typed(session: Session, now: datetime, *, minutes: int = 0) -> Reader:
    """Make a reader whose address somebody merely typed."""
    return readers.create(session, now=now + timedelta(minutes=minutes), email=ROSA)


def checkout(reader: Reader, now: datetime, **values: object) -> Checkout:
    return Checkout(
        **{
            "kind": CheckoutKind.SUBSCRIPTION,
            "status": CheckoutStatus.SETTLED,
            "reader_id": reader.id,
            "plan": "digital",
            "item": "digital-month-standard",
            "amount": 549,
            "browser_hash": "0" * 64,
            "created_at": now,
            "expires_at": now,
            **values,
        }
    )


def subscription(reader: Reader, now: datetime) -> Subscription:
    return Subscription(
        reader_id=reader.id,
        stripe_subscription_id=f"sub_{uuid4().hex}",
        status=SubscriptionStatus.ACTIVE,
        plan="digital",
        stripe_price_id="price_1",
        amount=549,
        currency="gbp",
        interval=Interval.MONTH,
        started_at=now,
        paid_until=now + timedelta(days=30),
    )


def payment(reader: Reader, now: datetime) -> Payment:
    return Payment(
        stripe_payment_intent_id=f"pi_{uuid4().hex}",
        reader_id=reader.id,
        purpose=PaymentPurpose.DONATION,
        account_code="4910",
        status=PaymentStatus.SUCCEEDED,
        amount=2500,
        currency="gbp",
        created_at=now,
    )


def give_everything(session: Session, reader: Reader, now: datetime) -> None:
    """Put a row that belongs to the reader into every table that knows readers."""
    paid = payment(reader, now)
    session.add(paid)
    session.flush()
    session.add_all(
        [
            Customer(stripe_customer_id=f"cus_{uuid4().hex}", reader_id=reader.id, created_at=now),
            subscription(reader, now),
            Donation(
                payment_id=paid.id,
                reader_id=reader.id,
                fund="appeal-95",
                amount=2500,
                currency="gbp",
                given_at=now,
            ),
            Entitlement(
                reader_id=reader.id,
                source=EntitlementSource.COMP,
                source_id=uuid4().hex,
                reason="a gift",
                starts_at=now,
                recorded_at=now,
            ),
            checkout(reader, now),
            OutboxMessage(
                kind="refund_made",
                fact=uuid4().hex,
                to_address=ROSA,
                reader_id=reader.id,
                payload={},
                message_id="x",
                created_at=now,
                state=OwedState.READY,
                run_at=now,
            ),
            ReaderLook(reader_id=reader.id, day=now.date(), asked_at=now, run_at=now),
            GiftLink(
                reader_id=reader.id,
                article="node/1",
                token_hash=uuid4().hex,
                created_at=now,
                expires_at=now,
            ),
        ]
    )
    session.flush()


def owners(db: Database) -> dict[str, set[UUID | None]]:
    """Return who owns the rows of every table that knows readers, sessions left out.

    What we once knew of a right stays under the reader it was known of.
    """
    with db.reading() as session:
        return {
            table.name: set(
                session.scalars(
                    sa.select(table.c.reader_id).where(
                        table.c.superseded_at.is_(None) if "superseded_at" in table.c else sa.true()
                    )
                )
            )
            for table in Base.metadata.sorted_tables
            if "reader_id" in table.c and table.name != "web_session"
        }


def prove(db: Database, now: datetime, *, email: str = ROSA, also: UUID | None = None) -> UUID:
    with db.unit_of_work() as session:
        return readers.verify_and_merge(session, email, now=now, also=also).id


def test_an_address_nobody_typed_before_becomes_a_new_reader(db: Database, now: datetime) -> None:
    reader_id = prove(db, now, email="Rosa@Example.org")
    with db.reading() as session:
        reader = session.get_one(Reader, reader_id)
        assert (reader.email, reader.email_verified_at) == (ROSA, now)
    assert prove(db, now + timedelta(days=1)) == reader_id


def test_everything_of_everybody_who_typed_the_address_comes_to_its_owner(
    db: Database, now: datetime
) -> None:
    with db.unit_of_work() as session:
        stranger = readers.create(session, now=now, email="else@example.org")
        for minutes in (5, 1, 3):
            give_everything(session, typed(session, now, minutes=minutes), now)

    owner = prove(db, now)

    assert owners(db) == {name: {owner} for name in owners(db)}
    assert len(owners(db)) == 9
    with db.reading() as session:
        left = session.scalars(sa.select(Reader.id).where(Reader.merged_into.is_(None))).all()
        assert sorted(left) == sorted([owner, stranger.id])


def test_merging_again_leaves_every_old_id_one_step_from_its_owner(
    db: Database, now: datetime
) -> None:
    with db.unit_of_work() as session:
        alone = readers.create(session, now=now)
        before = readers.create(session, now=now)
        before.merged_into = alone.id
    owner = prove(db, now)
    assert prove(db, now, also=alone.id) == owner
    with db.reading() as session:
        merged = session.execute(sa.select(Reader.id, Reader.merged_into)).all()
    assert {tuple(row) for row in merged} == {
        (owner, None),
        (alone.id, owner),
        (before.id, owner),
    }


def test_whoever_typed_the_address_first_is_signed_out_when_its_owner_proves_it(
    db: Database, now: datetime
) -> None:
    with db.unit_of_work() as session:
        hijacker, other = typed(session, now), typed(session, now, minutes=1)
        tokens = [
            sign_in.begin_session(session, reader_id=reader.id, now=now)
            for reader in (hijacker, other)
        ]
        session.add(checkout(hijacker, now))  # and has yet to return from here

    owner = prove(db, now)

    with db.reading() as session:
        for token in tokens:
            assert sign_in.session_person(session, token, now=now) is None
        assert session.scalars(sa.select(WebSession)).all() == []
        assert session.scalars(sa.select(Checkout.signed_in_at)).all() == [now]
        assert session.get_one(Reader, owner).email_verified_at == now


def test_typing_a_proved_address_changes_nothing_for_its_owners_browsers(
    db: Database, now: datetime
) -> None:
    owner = prove(db, now)
    with db.unit_of_work() as session:
        phone = sign_in.begin_session(session, reader_id=owner, now=now)
        hijacker = typed(session, now)
        theirs = sign_in.begin_session(session, reader_id=hijacker.id, now=now)
    with db.reading() as session:
        person = sign_in.session_person(session, theirs, now=now)
        assert isinstance(person, Reader)
        assert person.id == hijacker.id, "who types an address is not let into its account"

    assert prove(db, now) == owner

    with db.reading() as session:
        found = sign_in.session_person(session, phone, now=now)
        assert isinstance(found, Reader)
        assert found.id == owner
        assert sign_in.session_person(session, theirs, now=now) is None


def test_a_reader_with_another_proved_address_is_never_merged(db: Database, now: datetime) -> None:
    karl = prove(db, now, email="karl@example.org")
    with db.unit_of_work() as session:
        token = sign_in.begin_session(session, reader_id=karl, now=now)
    rosa = prove(db, now, also=karl)
    assert rosa != karl
    with db.reading() as session:
        assert session.get_one(Reader, karl).merged_into is None
        assert sign_in.session_person(session, token, now=now) is not None


def test_who_paid_with_another_address_brings_it_along_from_the_browser_they_prove_in(
    db: Database, now: datetime
) -> None:
    with db.unit_of_work() as session:
        wallet = readers.create(session, now=now, email="wallet@example.org", name="Rosa L.")
        give_everything(session, wallet, now)
    owner = prove(db, now, also=wallet.id)
    assert owners(db) == {name: {owner} for name in owners(db)}
    with db.reading() as session:
        reader = session.get_one(Reader, owner)
        assert (reader.email, reader.name) == (ROSA, "Rosa L.")


def test_what_was_read_is_united_and_counted_once(db: Database, now: datetime) -> None:
    a, b, c = (letter * HASH for letter in "abc")
    with db.unit_of_work() as session:
        ids = [typed(session, now, minutes=n).id for n in range(2)]
        for reader_id, articles in zip(ids, (a + b, b + c), strict=True):
            subject = readers.meter_subject(reader_id)
            session.add(Meter(window="2026-11", subject=subject, articles=articles))
    owner = prove(db, now)
    with db.reading() as session:
        rows = session.execute(sa.select(Meter.subject, Meter.articles)).all()
    assert [tuple(row) for row in rows] == [(readers.meter_subject(owner), a + b + c)]


def test_two_open_checkouts_for_one_plan_do_not_stand_in_the_way(
    db: Database, now: datetime
) -> None:
    with db.unit_of_work() as session:
        for n in range(2):
            reader = typed(session, now, minutes=n)
            session.add(checkout(reader, now, status=CheckoutStatus.OPEN))
    prove(db, now)
    with db.reading() as session:
        assert set(session.scalars(sa.select(Checkout.signed_in_at))) == {now}


def test_somebody_who_pays_twice_is_put_before_the_staff(db: Database, now: datetime) -> None:
    with db.unit_of_work() as session:
        for n in range(2):
            session.add(subscription(typed(session, now, minutes=n), now))
    owner = prove(db, now)
    with db.reading() as session:
        [task] = session.scalars(sa.select(Task)).all()
    assert (task.kind, task.subject) == ("paying-twice", f"reader:{owner}:digital")


@pytest.mark.parametrize("before", [0, 3])
def test_an_address_proved_ten_times_at_once_has_one_owner(
    db: Database, now: datetime, before: int
) -> None:
    with db.unit_of_work() as session:
        for n in range(before):
            typed(session, now, minutes=n)
    with ThreadPoolExecutor(10) as pool:
        found = set(pool.map(lambda _: prove(db, now), range(10)))
    assert len(found) == 1
    with db.reading() as session:
        verified = sa.select(sa.func.count()).where(Reader.email_verified_at.is_not(None))
        assert session.scalar(verified) == 1


def test_the_database_itself_refuses_a_second_owner(db: Database, now: datetime) -> None:
    prove(db, now)
    with pytest.raises(IntegrityError), db.unit_of_work() as session:
        session.add(Reader(email=ROSA, email_verified_at=now, created_at=now))
