"""Where to write to a reader about what they pay for."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.models import Payment, Reader


def reader_address(session: Session, reader_id: UUID) -> str:
    """Return the reader's proven address, else the last one they paid with; '' for none."""
    reader = session.get_one(Reader, reader_id)
    if reader.email_verified_at is not None:
        return reader.email
    paid_with = session.scalar(
        sa.select(Payment.payer_email)
        .where(Payment.reader_id == reader_id, Payment.payer_email != "")
        .order_by(Payment.created_at.desc())
        .limit(1)
    )
    return paid_with or reader.email
