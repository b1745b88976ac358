"""Making and finding readers: an address that was typed finds nobody."""

from datetime import datetime
from uuid import uuid4

import pytest

from billing import readers
from billing.db import Database
from billing.errors import AddressError
from billing.models import Reader


def test_a_reader_needs_no_address_and_one_who_types_one_is_kept_in_lower_case(
    db: Database, now: datetime
) -> None:
    with db.unit_of_work() as session:
        nobody = readers.create(session, now=now)
        rosa = readers.create(session, now=now, email=" Rosa@Example.ORG ", name="Rosa")
        assert (readers.address_of(nobody), readers.address_of(rosa)) == ("", "rosa@example.org")
        assert rosa.email_verified_at is None
        with pytest.raises(AddressError):
            readers.create(session, now=now, email="rosa")


def test_typing_the_same_address_again_makes_another_reader_and_finds_none(
    db: Database, now: datetime
) -> None:
    with db.unit_of_work() as session:
        first = readers.create(session, now=now, email="rosa@example.org")
        second = readers.create(session, now=now, email="rosa@example.org")
        assert first.id != second.id


def test_a_merged_reader_is_found_as_who_they_are_now(db: Database, now: datetime) -> None:
    with db.unit_of_work() as session:
        kept, gone = readers.create(session, now=now), readers.create(session, now=now)
        gone.merged_into = kept.id
        session.flush()
        for asked in (kept.id, gone.id):
            found = readers.find(session, asked)
            assert found is not None
            assert found.id == kept.id
        assert readers.find(session, uuid4()) is None


def test_what_is_typed_at_stripe_is_noted_once_and_a_slip_is_dropped(now: datetime) -> None:
    reader = Reader(email="", name="", created_at=now)
    readers.note_typed(reader, email="no address", name="Rosa")
    assert (reader.email, reader.name) == ("", "Rosa")
    readers.note_typed(reader, email="Rosa@Example.org", name="R. L.")
    assert (reader.email, reader.name) == ("rosa@example.org", "Rosa")
    readers.note_typed(reader, email="somebody@else.example", name="Else")
    assert (reader.email, reader.name) == ("rosa@example.org", "Rosa")
