"""Receipts: numbered without gaps in their series, one for each payment."""

from datetime import date, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import notices
from billing.clock import accounting_day
from billing.db import insert_ignore
from billing.models import Payment, PaymentPurpose, Reader, Receipt, ReceiptSeries

# Source: VAT Notice 701/10, and VATA 1994 Sch 8 Group 3 item 7 (e-newspapers, from 1 May 2020);
# https://www.gov.uk/guidance/zero-rating-books-and-printed-matter-for-vat-notice-70110
_VAT: Final = {
    PaymentPurpose.DONATION: "Donation: outside the scope of VAT",
    PaymentPurpose.SUBSCRIPTION: "VAT zero-rated (0%): £0.00",
}
_SERIES: Final = {PaymentPurpose.DONATION: "D", PaymentPurpose.SUBSCRIPTION: "S"}


def receipt_for(
    session: Session,
    payment: Payment,
    *,
    item: str,
    now: datetime,
    period: tuple[date, date] | None = None,
) -> notices.Receipt:
    """Return a payment's receipt, giving it the next number of its series if it has none."""
    receipt = session.scalar(sa.select(Receipt).where(Receipt.payment_id == payment.id))
    if receipt is None:
        receipt = _issue(session, payment, now)
    return notices.Receipt(
        number=str(receipt),
        paid_on=accounting_day(payment.paid_at or payment.created_at),
        payer_name=payment.payer_name,
        item=item,
        amount=payment.money,
        vat=_VAT[payment.purpose],
        method=payment.method,
        period_starts=period[0] if period else None,
        period_ends=period[1] if period else None,
    )


def _issue(session: Session, payment: Payment, now: datetime) -> Receipt:
    """Take the next number. The series' row stays locked until the receipt is committed with it."""
    series = _SERIES[payment.purpose]
    session.execute(insert_ignore(session, ReceiptSeries).values(series=series, last_number=0))
    number = session.scalar(
        sa.update(ReceiptSeries)
        .where(ReceiptSeries.series == series)
        .values(last_number=ReceiptSeries.last_number + 1)
        .returning(ReceiptSeries.last_number)
        .execution_options(synchronize_session=False)
    )
    receipt = Receipt(series=series, number=number, payment_id=payment.id, issued_at=now)
    session.add(receipt)
    session.flush()
    return receipt


def address_for(session: Session, payment: Payment) -> str:
    """Return where to write to whoever paid: the reader's proven address, else what they typed."""
    reader = session.get(Reader, payment.reader_id) if payment.reader_id else None
    if reader is not None and reader.email_verified_at is not None:
        return reader.email
    return payment.payer_email or (reader.email if reader else "")
