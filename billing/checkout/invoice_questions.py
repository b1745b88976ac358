"""What about an invoice only a person can mend: one Stripe cannot make final, one paid too much."""

from datetime import datetime

from sqlalchemy.orm import Session

from billing.models import Customer
from billing.money import Money
from billing.stripe_gateway.client import APP
from billing.stripe_gateway.types import StripeInvoice
from billing.tasks import raise_again, raise_task, settle_tasks

_STUCK = "invoice-stuck"


def settle_deleted(session: Session, invoice_id: str, *, now: datetime) -> None:
    """Ask nobody about a draft any more that somebody has deleted."""
    settle_tasks(session, _STUCK, subject=invoice_id, now=now)


def ask_about_invoice(session: Session, theirs: StripeInvoice, *, now: datetime) -> None:
    """Ask staff about an invoice of ours as it stands; take the question back once it is mended."""
    if theirs.metadata.get("app") != APP and session.get(Customer, theirs.customer_id) is None:
        return
    if theirs.stuck:
        detail = (
            f"Stripe cannot make the invoice {theirs.id} final: {theirs.stuck}. Nobody is asked to"
            " pay it until that is put right at Stripe's dashboard, most often an address."
        )
        raise_again(session, _STUCK, subject=theirs.id, detail=detail, now=now)
    else:
        settle_tasks(session, _STUCK, subject=theirs.id, now=now)
    if theirs.overpaid:
        detail = (
            f"{Money(theirs.overpaid, theirs.currency)} more than was owed came in for the invoice"
            f" {theirs.id}. It stands with the payer as credit, and their next bills use it up. If"
            " they want it back, refund it, and take the credit away at Stripe's dashboard too."
        )
        raise_task(session, "invoice-overpaid", subject=theirs.id, detail=detail, now=now)
