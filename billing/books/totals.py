"""What a fund has received: read from the ledger, and from nothing else.

A gift counts in full; the card fee is our cost. A refund counts against the day it happens.
"""

from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.clock import start_of_day
from billing.models import Donation, Posting


def fund_total(
    session: Session, fund: str, *, since: date | None = None, until: date | None = None
) -> int:
    """Return what a fund received, less refunds, in pence.

    Args:
        session: what to read.
        fund: the fund's key.
        since: the first London day counted; None counts from the beginning.
        until: the first London day no longer counted; None counts to the end.
    """
    total = sa.select(sa.func.coalesce(sa.func.sum(Posting.amount), 0)).where(
        Posting.fund == fund, Posting.fund != "", Posting.currency == "gbp"
    )
    if since is not None:
        total = total.where(Posting.day >= since)
    if until is not None:
        total = total.where(Posting.day < until)
    return -int(session.scalar(total) or 0)


def fund_donations_count(
    session: Session, fund: str, *, since: date | None = None, until: date | None = None
) -> int:
    """Return how many gifts a fund was given, those later refunded among them.

    Args:
        session: what to read.
        fund: the fund's key.
        since: the first London day counted; None counts from the beginning.
        until: the first London day no longer counted; None counts to the end.
    """
    count = sa.select(sa.func.count()).select_from(Donation).where(Donation.fund == fund)
    if since is not None:
        count = count.where(Donation.given_at >= start_of_day(since))
    if until is not None:
        count = count.where(Donation.given_at < start_of_day(until))
    return int(session.scalar(count) or 0)
