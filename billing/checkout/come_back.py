"""A reader comes back from Stripe: settle, and sign the browser in that left, once."""

import contextlib
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import rate_limits, readers, sign_in
from billing.checkout.settle import settle
from billing.checkout.tokens import is_return_token, same_browser
from billing.context import Context
from billing.db import changed_one
from billing.errors import (
    BusyError,
    RefusedError,
    StaleReadError,
    StripeUnavailableError,
    TooManyAttemptsError,
)
from billing.models import Checkout, CheckoutStatus

# Each look asks Stripe several times, and holds a thread meanwhile.
_LOOKS: Final = rate_limits.Limit("checkout return", 20, minutes=60)


@dataclass(frozen=True, slots=True)
class Returned:
    """How things stand when a reader comes back.

    Attributes:
        session_token: for the reader's cookie; '' where this return signs nobody in.
    """

    checkout: Checkout
    session_token: str


def settle_return(context: Context, *, checkout_id: UUID, token: str, browser: str) -> Returned:
    """Settle a checkout its reader has come back from.

    Signing in needs our own signed token and the cookie set at the start, both, and works once; an
    e-mail address or a session's id proves nothing. Where Stripe does not answer, the reader is
    told that the payment is being confirmed, and the webhook or the next poll settles.

    Raises:
        RefusedError: the token is not ours, too old, or for another checkout.
    """
    if not is_return_token(context.settings, token, checkout_id):
        raise RefusedError("this address is not one we gave out, or it is more than a day old")
    with context.db.reading() as session:
        checkout = session.get(Checkout, checkout_id)
    if checkout is None:
        raise RefusedError("we know no such checkout")
    if checkout.stripe_session_id and _worth_a_look(context, checkout):
        with contextlib.suppress(BusyError, StaleReadError, StripeUnavailableError):
            settle(context, checkout.stripe_session_id)
    with context.db.unit_of_work() as session:
        checkout = session.get_one(Checkout, checkout_id, populate_existing=True)
        signed_in = same_browser(browser, checkout.browser_hash) and _sign_in_once(
            context, session, checkout
        )
        return Returned(checkout, signed_in or "")


def _worth_a_look(context: Context, checkout: Checkout) -> bool:
    """Tell whether Stripe is asked: not about what is settled, and not without end."""
    if checkout.status is CheckoutStatus.SETTLED:
        return False
    try:
        with context.db.unit_of_work() as session:
            rate_limits.hit(session, _LOOKS, str(checkout.id), now=context.clock.now())
    except TooManyAttemptsError:
        return False
    return True


def _sign_in_once(context: Context, session: Session, checkout: Checkout) -> str:
    now = context.clock.now()
    if checkout.reader_id is None or checkout.status not in (
        CheckoutStatus.SETTLED,
        CheckoutStatus.AWAITING_BANK,
    ):
        return ""
    reader = readers.hold(session, checkout.reader_id)  # before the checkout, as merging does
    first = sa.update(Checkout).where(Checkout.id == checkout.id, Checkout.signed_in_at.is_(None))
    if not changed_one(session, first.values(signed_in_at=now)):
        return ""
    if reader is None or reader.id != checkout.reader_id or reader.email_verified_at is not None:
        return ""  # an account that somebody has proved theirs is entered by signing in
    return sign_in.begin_session(session, reader_id=reader.id, now=now)
