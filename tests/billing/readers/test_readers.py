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


def test_what_is_typed_at_stripe_is_noted_once_and_a_slip_is_dropped(
    db: Database, now: datetime
) -> None:
    with db.unit_of_work() as session:
        reader_id = readers.create(session, now=now).id

    def note(email: str, name: str) -> tuple[str, str]:
        with db.unit_of_work() as session:
            readers.note_typed(session, reader_id, email=email, name=name)
            reader = session.get_one(Reader, reader_id)
            return reader.email, reader.name

    assert note("no address", "Rosa") == ("", "Rosa")
    assert note("Rosa@Example.org", "R. L.") == ("rosa@example.org", "Rosa")
    assert note("somebody@else.example", "Else") == ("rosa@example.org", "Rosa")


def test_what_is_typed_never_replaces_an_address_that_was_proved_meanwhile(
    db: Database, now: datetime
) -> None:
    with db.unit_of_work() as session:
        attacker = readers.create(session, now=now)
        readers.verify_and_merge(session, "attacker@example.org", also=attacker.id, now=now)
    with db.unit_of_work() as session:
        readers.note_typed(session, attacker.id, email="victim@example.org")
        assert session.get_one(Reader, attacker.id).email == "attacker@example.org"
