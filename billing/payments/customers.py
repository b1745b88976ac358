"""Which reader a Stripe object belongs to: by our own marks on it, never by an e-mail address.

Metadata can be written only with our secret key, so what it says of the reader is our own word.
What a customer is called at Stripe is not even read.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from billing import readers
from billing.context import Context
from billing.db import insert_ignore
from billing.errors import PASSING
from billing.models import Checkout, Customer
from billing.payments.methods import get_to_know_method
from billing.queue import Fence, look
from billing.stripe_gateway import read_people as read
from billing.stripe_gateway.types import StripeCustomer


def reader_of(session: Session, customer_id: str, metadata: Mapping[str, str]) -> UUID | None:
    """Return the reader an object of Stripe's belongs to, or None for a stranger's or a guest's.

    The reader is held from here on: nobody merges them before what follows is committed.
    """
    customer = session.get(Customer, customer_id) if customer_id else None
    named = customer.reader_id if customer else as_id(metadata.get("reader", ""))
    reader = readers.hold(session, named) if named else None
    return reader.id if reader else None


def checkout_of(session: Session, metadata: Mapping[str, str]) -> UUID | None:
    """Return our checkout an object of Stripe's came from."""
    marked = as_id(metadata.get("checkout", ""))
    checkout = session.get(Checkout, marked) if marked else None
    return checkout.id if checkout else None


def link_customer(session: Session, customer_id: str, reader_id: UUID, *, now: datetime) -> None:
    """Remember whose Stripe customer this is; the first link stands."""
    session.execute(
        insert_ignore(session, Customer).values(
            stripe_customer_id=customer_id, reader_id=reader_id, created_at=now
        )
    )


def look_at_customer(
    context: Context,
    customer_id: str,
    *,
    also: Callable[[Session], None] = lambda _session: None,
) -> None:
    """Read a customer of ours: what they have in credit, and what they pay from.

    One that was deleted is never used again; what it paid stays in the books.

    Raises:
        BusyError, StaleReadError, StripeUnavailableError: try again later.
    """

    def apply_it(session: Session, theirs: StripeCustomer | None, fence: Fence) -> str:
        fence.check(session)
        ours = session.get(Customer, customer_id)
        if ours is not None:
            _write(ours, theirs, now=context.clock.now())
        also(session)
        return ours.payment_method_id if ours is not None else ""

    method_id = look(
        context.db,
        customer_id,
        read=lambda: read.customer(context.gateway, customer_id),
        apply=apply_it,
        clock=context.clock,
    )
    if method_id:
        with suppress(*PASSING):  # a label for the account page: another look will bring it
            get_to_know_method(context, method_id)


def _write(ours: Customer, theirs: StripeCustomer | None, *, now: datetime) -> None:
    if theirs is None:
        ours.deleted_at, ours.payment_method_id = ours.deleted_at or now, ""
    else:
        ours.balance, ours.payment_method_id = theirs.balance, theirs.payment_method_id


def as_id(written: str) -> UUID | None:
    """Read one of our ids back from metadata; None where it is not one."""
    try:
        return UUID(written)
    except ValueError:
        return None
