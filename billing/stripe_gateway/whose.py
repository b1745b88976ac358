"""Whose key ours is, and what it may read: a database belongs to one account, in one mode.

To another account's key Stripe would say of all we know that it has no such thing, and what is gone
is gone for ever. So nothing is believed to be gone, and no list is walked, by a key of another's.

Source: https://docs.stripe.com/keys
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.db import Database, take_turns
from billing.errors import KeyRefusedError, StripeRefusedError, StripeUnavailableError
from billing.models import Cursor
from billing.stripe_gateway import read_money
from billing.stripe_gateway.client import Gateway

_MARK: Final = "account "
_NONE: Final = "none"  # what Stripe has no list of is asked for by an id that there is not


class OtherAccountError(StripeUnavailableError):
    """Our key is of another account than this database: nothing it brings can be relied on."""


def remembered(session: Session) -> str:
    """Return the account and the mode this database belongs to; '' before its first worker."""
    marks = sa.select(Cursor.name).where(Cursor.name.startswith(_MARK))
    return (session.scalar(marks.limit(1)) or "").removeprefix(_MARK)


def account_of(gateway: Gateway) -> str:
    """Ask Stripe whose our key is, and return the account and the mode.

    Raises:
        StripeUnavailableError: Stripe did not answer, or a restricted key may not read accounts.
    """
    return f"{read_money.account(gateway).id} {'live' if gateway.live else 'test'}"


def not_let(gateway: Gateway) -> list[str]:
    """Return what of all we read a restricted key may not read, by Stripe's names.

    Raises:
        StripeUnavailableError, StripeRefusedError: Stripe did not answer as it should.

    Source: https://docs.stripe.com/keys/restricted-api-keys
    """
    v1 = gateway.client.v1
    lists: dict[str, Callable[[Any], object]] = {
        "balance": lambda _limit: v1.balance.retrieve(),
        "balance transactions": v1.balance_transactions.list,
        "charges": v1.charges.list,
        "checkout sessions": v1.checkout.sessions.list,
        "coupons": v1.coupons.list,
        "credit notes": v1.credit_notes.list,
        "customers": v1.customers.list,
        "disputes": v1.disputes.list,
        "early fraud warnings": v1.radar.early_fraud_warnings.list,
        "events": v1.events.list,
        "invoice payments": v1.invoice_payments.list,
        "invoice previews": lambda _limit: v1.invoices.create_preview({"subscription": _NONE}),
        "invoices": v1.invoices.list,
        "mandates": lambda _limit: v1.mandates.retrieve(_NONE),
        "payment intents": v1.payment_intents.list,
        "payment methods": lambda _limit: v1.payment_methods.retrieve(_NONE),
        "payouts": v1.payouts.list,
        "prices": v1.prices.list,
        "products": v1.products.list,
        "refunds": v1.refunds.list,
        "reviews": v1.reviews.list,
        "subscription items": lambda _limit: v1.subscription_items.list({"subscription": _NONE}),
        "subscriptions": v1.subscriptions.list,
    }
    refused = []
    for name, ask in lists.items():
        try:
            gateway.ask(partial(ask, {"limit": 1}))
        except KeyRefusedError:
            refused.append(name)
        except StripeRefusedError as error:
            if not error.missing:
                raise
    return refused


def refuse_another(db: Database, gateway: Gateway) -> None:
    """Refuse a key of another account; a database that belongs to none yet refuses nothing.

    Raises:
        OtherAccountError: it is another's.
        StripeUnavailableError: as `account_of`.
    """
    with db.reading() as session:
        ours = remembered(session)
    if ours and not gateway.is_ours:
        _compare(ours, account_of(gateway))
        gateway.is_ours = True


def make_sure(db: Database, gateway: Gateway, *, now: datetime) -> None:
    """Refuse a key of another account; the first key there is says whose this database is.

    Raises:
        OtherAccountError, StripeUnavailableError: as `refuse_another`.
    """
    if gateway.is_ours:
        return
    theirs = account_of(gateway)
    with db.unit_of_work() as session:
        take_turns(session, _MARK)
        ours = remembered(session)
        if not ours:
            session.add(Cursor(name=f"{_MARK}{theirs}", at=now))
    _compare(ours or theirs, theirs)
    gateway.is_ours = True


def _compare(ours: str, theirs: str) -> None:
    if ours != theirs:
        raise OtherAccountError(
            f"BILLING_STRIPE_KEY is a key of {theirs}, and this database belongs to {ours}: put the"
            " right key back, or begin another database"
        )
