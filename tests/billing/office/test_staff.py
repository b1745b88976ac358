"""Staff are added by name; a link from the command line works once and mails nothing."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from billing import office, sign_in
from billing.db import Database
from billing.models import Audience, AuditRecord, OutboxMessage, Role, Staff
from billing.settings import Settings


def add(db: Database, now: datetime, role: Role = Role.FINANCE) -> Staff:
    with db.unit_of_work() as session:
        return office.add_staff(
            session, email="Clerk@example.org", name="Clerk", role=role, actor="tests", now=now
        )


def test_staff_are_found_by_address_while_they_work_here(db: Database, now: datetime) -> None:
    clerk = add(db, now)
    with db.unit_of_work() as session:
        found = office.find_staff(session, "CLERK@example.org")
        assert found is not None
        assert (found.id, found.role) == (clerk.id, Role.FINANCE)
        found.active = False
    with db.reading() as session:
        assert office.find_staff(session, "clerk@example.org") is None


def test_adding_somebody_again_changes_their_role_and_lets_them_back_in(
    db: Database, now: datetime
) -> None:
    clerk = add(db, now)
    with db.unit_of_work() as session:
        session.get_one(Staff, clerk.id).active = False
    assert add(db, now, Role.ADMIN).id == clerk.id
    with db.reading() as session:
        [row] = session.scalars(sa.select(Staff)).all()
        assert (row.role, row.active) == (Role.ADMIN, True)
        actions = session.execute(sa.select(AuditRecord.actor, AuditRecord.action)).all()
    assert [tuple(action) for action in actions] == [("tests", "staff added")] * 2


def test_the_command_lines_link_signs_in_once_and_is_mailed_to_nobody(
    db: Database, settings: Settings, now: datetime
) -> None:
    clerk = add(db, now)
    with db.unit_of_work() as session:
        link = office.issue_link(session, settings, clerk, now=now)
    assert link.startswith("http://localhost:8000/office/sign-in/")
    token = link.rsplit("/", 1)[1]
    late = now + timedelta(minutes=19)
    with db.unit_of_work() as session:
        proofs = [
            sign_in.redeem_link(session, token, audience=Audience.OFFICE, browser="", now=late)
            for _ in range(2)
        ]
        assert session.scalars(sa.select(OutboxMessage)).all() == []
    assert proofs == [sign_in.Proof("clerk@example.org", "", same_browser=False), None]
