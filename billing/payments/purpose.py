"""What a payment is for, and so which account it is booked to.

Only our own marks and our own prices make money ours. Everything else on a shared Stripe account is
foreign: it is booked where the catalogue's rule says, or as an unallocated receipt, and it never
grants access or sends mail.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from billing.catalogue.data import Catalogue
from billing.catalogue.prices import find_price
from billing.errors import RefusedError, UnknownPlanError
from billing.models import PaymentPurpose
from billing.stripe_gateway.client import APP
from billing.stripe_gateway.types import StripePayment
from billing.tasks import raise_task

UNALLOCATED: Final = "2130"


@dataclass(frozen=True, slots=True)
class Purpose:
    """What one payment is for."""

    purpose: PaymentPurpose
    account_code: str
    fund: str = ""
    plan: str = ""


def purpose_of(
    session: Session, theirs: StripePayment, *, catalogue: Catalogue, now: datetime
) -> Purpose:
    """Tell what a payment is for; money we cannot place is unallocated, and a task for staff."""
    if theirs.invoice is not None and theirs.invoice.subscription_id:
        return _subscription(session, theirs, catalogue, now)
    if theirs.metadata.get("app") == APP and theirs.metadata.get("fund"):
        return _donation(session, theirs, catalogue, now)
    account = catalogue.foreign_account(theirs.metadata)
    return Purpose(PaymentPurpose.FOREIGN, account or UNALLOCATED)


def _donation(
    session: Session, theirs: StripePayment, catalogue: Catalogue, now: datetime
) -> Purpose:
    fund = theirs.metadata["fund"]
    try:
        return Purpose(PaymentPurpose.DONATION, catalogue.fund_account(fund), fund=fund)
    except RefusedError:
        detail = f"A gift names the fund {fund!r}, which the catalogue does not know."
        raise_task(session, "unknown-fund", subject=theirs.id, detail=detail, now=now)
        return Purpose(PaymentPurpose.DONATION, UNALLOCATED, fund=fund)


def _account_of(
    session: Session, theirs: StripePayment, plan: str, catalogue: Catalogue, now: datetime
) -> str:
    """Return where a plan is booked; who subscribed while it was on sale goes on paying for it."""
    try:
        return catalogue.plan(plan).account
    except UnknownPlanError:
        detail = (
            f"A subscription was paid for the plan {plan!r}, which the catalogue no longer has, and"
            f" booked to {UNALLOCATED}. Put the plan back: it says where its money belongs."
        )
        raise_task(session, "unknown-plan", subject=theirs.id, detail=detail, now=now)
        return UNALLOCATED


def _subscription(
    session: Session, theirs: StripePayment, catalogue: Catalogue, now: datetime
) -> Purpose:
    invoice = theirs.invoice
    if invoice is None:
        raise ValueError("a subscription payment has an invoice")
    for price_id in invoice.price_ids:
        price = find_price(session, price_id)
        if price is not None:
            account = _account_of(session, theirs, price.plan, catalogue, now)
            return Purpose(PaymentPurpose.SUBSCRIPTION, account, plan=price.plan)
    if invoice.metadata.get("app") != APP:
        by_rule = catalogue.foreign_account(invoice.metadata)
        return Purpose(PaymentPurpose.FOREIGN, by_rule or UNALLOCATED)
    detail = f"A subscription was paid at a price we do not know: {', '.join(invoice.price_ids)}."
    raise_task(session, "unknown-price", subject=theirs.id, detail=detail, now=now)
    return Purpose(PaymentPurpose.SUBSCRIPTION, UNALLOCATED)
