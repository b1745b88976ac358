"""Who works in the office. Staff are added by name and never by signing in."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import audit, sign_in
from billing.models import Audience, Role, Staff
from billing.settings import Settings
from billing.sign_in.request import link_of


def add_staff(
    session: Session, *, email: str, name: str, role: Role, actor: str, now: datetime
) -> Staff:
    """Add somebody to the staff, or let them back in with this name and role.

    Raises:
        AddressError: the address is none.
    """
    address = sign_in.normalise(email)
    staff = session.scalar(sa.select(Staff).where(Staff.email == address))
    if staff is None:
        staff = Staff(email=address, name=name, role=role, created_at=now)
        session.add(staff)
    staff.name, staff.role, staff.active = name, role, True
    session.flush()
    audit.record(
        session, actor=actor, action="staff added", subject=f"staff:{staff.id}", now=now, role=role
    )
    return staff


def find_staff(session: Session, email: str) -> Staff | None:
    """Return the active member of staff with an address.

    Raises:
        AddressError: the address is none.
    """
    address = sign_in.normalise(email)
    return session.scalar(sa.select(Staff).where(Staff.email == address, Staff.active))


def issue_link(session: Session, settings: Settings, staff: Staff, *, now: datetime) -> str:
    """Return a link that signs one of the staff in once, for the command line. Mails nothing."""
    asked, token = sign_in.issue(
        session, settings, audience=Audience.OFFICE, email=staff.email, now=now
    )
    audit.record(
        session,
        actor="command line",
        action="sign-in link issued",
        subject=f"staff:{staff.id}",
        now=now,
        request=str(asked.id),
    )
    return link_of(settings.public_url, Audience.OFFICE, token)
