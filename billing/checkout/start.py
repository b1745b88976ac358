"""Start a checkout: our row first, committed; then Stripe, with our own idempotency key.

One open intent for each reader and plan: opening a second expires the first, so that nobody can pay
twice for one thing.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from billing import rate_limits, readers
from billing.catalogue.data import Appeal
from billing.catalogue.prices import price_on_sale
from billing.checkout import at_stripe
from billing.checkout.tokens import fingerprint
from billing.clock import accounting_day
from billing.context import Context
from billing.errors import (
    AlreadySubscribedError,
    AmountError,
    AwaitingBankError,
    BusyError,
    PaymentDueError,
)
from billing.models import (
    Checkout,
    CheckoutKind,
    CheckoutStatus,
    Customer,
    Price,
    Reader,
    Subscription,
    SubscriptionStatus,
)
from billing.money import Money
from billing.rate_limits import Limit

_LIFE: Final = timedelta(hours=24)  # Stripe's own default for a session
_TO_BE_PAID: Final = (SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID)
# Card testing, and rows without end. Generous: a whole university may share one address.
_SUBSCRIPTIONS: Final = Limit("subscription", 30, minutes=60)


@dataclass(frozen=True, slots=True)
class Started:
    """A checkout that waits at Stripe.

    Attributes:
        url: Stripe's page, to send the reader to.
        browser: for the HttpOnly cookie that must come back with the reader.
    """

    checkout_id: UUID
    url: str
    browser: str


def start_subscription(
    context: Context,
    *,
    lookup_key: str,
    reader_id: UUID | None,
    browser: str = "",
    source: str = "",
    shown: dict[str, Any],
    caller: str,
) -> Started:
    """Open a Checkout session for a subscription. Needs no sign-in: a stranger gets a reader.

    Args:
        context: the process's context.
        lookup_key: the price's.
        reader_id: who is signed in, if anybody is.
        browser: the checkout cookie this browser already has; '' for none.
        source: the article that led here.
        shown: the texts and figures the reader had before them.
        caller: the network address, against card testing.

    Raises:
        UnknownPlanError: no such price is on sale.
        AlreadySubscribedError: the reader has this plan already, or agreed to it and their bank
            has still to pay; PaymentDueError where its last payment is to be made first.
        TooManyAttemptsError: too many starts from one place.
        StripeUnavailableError, StripeRefusedError: nothing was taken; try again.
        BusyError: the same reader is starting another one at this moment.
    """
    plan, _ = context.catalogue.price(lookup_key)
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        rate_limits.hit(session, _SUBSCRIPTIONS, caller, now=now)
        reader_id = reader_id or _waiting_reader(session, browser)
    if reader_id is not None:
        _clear_the_way(context, reader_id, plan.key)
        now = context.clock.now()
    browser = browser or secrets.token_urlsafe(32)
    try:
        with context.db.unit_of_work() as session:
            price = price_on_sale(session, lookup_key)
            if reader_id is None:
                reader_id = readers.create(session, now=now).id
            checkout = _row(CheckoutKind.SUBSCRIPTION, price.money, browser, source, shown, now)
            checkout.reader_id, checkout.plan, checkout.item = reader_id, plan.key, lookup_key
            session.add(checkout)
            session.flush()
            params = _subscription_params(context, session, checkout, price)
            command_id = at_stripe.decide_open(session, checkout, params, now=now)
    except IntegrityError as error:
        raise BusyError("this reader is starting another checkout at this moment") from error
    url = at_stripe.open_session(context, checkout.id, command_id)
    return Started(checkout.id, url, browser)


def start_donation(
    context: Context,
    *,
    appeal: str,
    amount: Money,
    reader_id: UUID | None,
    browser: str = "",
    source: str = "",
    shown: dict[str, Any],
    caller: str,
) -> Started:
    """Open a Checkout session for a gift. Needs no account, and unlocks nothing.

    Args:
        context: the process's context.
        appeal: the appeal's key.
        amount: the gift, in pounds.
        reader_id: who is signed in, if anybody is.
        browser: the checkout cookie this browser already has; '' for none.
        source: the article that led here.
        shown: the texts and figures the giver had before them.
        caller: the network address, against card testing.

    Raises:
        UnknownAppealError, ClosedAppealError: there is nothing to give to.
        AmountError: too little, too much, or not in pounds.
        TooManyAttemptsError: too many starts from one place.
        StripeUnavailableError, StripeRefusedError: nothing was taken; try again.
    """
    now = context.clock.now()
    chosen = context.catalogue.appeal(appeal)
    chosen.check_open(accounting_day(now))
    check_amount(context, amount)
    with context.db.unit_of_work() as session:
        most = context.settings.giving.starts_per_hour
        rate_limits.hit(session, Limit("donation", most, minutes=60), caller, now=now)
    browser = browser or secrets.token_urlsafe(32)
    with context.db.unit_of_work() as session:
        checkout = _row(CheckoutKind.DONATION, amount, browser, source, shown, now)
        checkout.reader_id, checkout.item = reader_id, appeal
        session.add(checkout)
        session.flush()
        params = _donation_params(context, session, checkout, chosen)
        command_id = at_stripe.decide_open(session, checkout, params, now=now)
    url = at_stripe.open_session(context, checkout.id, command_id)
    return Started(checkout.id, url, browser)


def check_amount(context: Context, amount: Money) -> None:
    """Make sure a gift is one we accept.

    Raises:
        AmountError: too little, too much, or not in pounds.
    """
    giving = context.settings.giving
    if amount.currency != "gbp":
        raise AmountError("gifts are taken in pounds sterling; choose an amount in pounds")
    if not giving.minimum <= amount.amount <= giving.maximum:
        least, most = Money(giving.minimum), Money(giving.maximum)
        raise AmountError(f"a gift here may be from {least} to {most}; choose an amount between")


def _row(
    kind: CheckoutKind,
    money: Money,
    browser: str,
    source: str,
    shown: dict[str, Any],
    now: datetime,
) -> Checkout:
    return Checkout(
        id=uuid4(),
        kind=kind,
        amount=money.amount,
        currency=money.currency,
        source=source[:200],
        shown=shown,
        browser_hash=fingerprint(browser),
        created_at=now,
        expires_at=now + _LIFE,
    )


def _waiting_reader(session: Session, browser: str) -> UUID | None:
    """Return the reader this browser began to be, and has not yet come back as.

    They may have paid already. One who has proved an address is entered by signing in alone: the
    browser may be in other hands by now.
    """
    if not browser:
        return None
    return session.scalar(
        sa.select(Checkout.reader_id)
        .join(Reader, Reader.id == Checkout.reader_id)
        .where(
            Checkout.browser_hash == fingerprint(browser),
            Checkout.kind == CheckoutKind.SUBSCRIPTION,
            Checkout.status.not_in((CheckoutStatus.EXPIRED, CheckoutStatus.FAILED)),
            Checkout.signed_in_at.is_(None),
            Reader.email_verified_at.is_(None),
            Reader.merged_into.is_(None),
        )
        .order_by(Checkout.created_at.desc())
        .limit(1)
    )


def _clear_the_way(context: Context, reader_id: UUID, plan: str) -> None:
    """Give up what the reader has open for the plan; it may turn out to be paid."""
    _refuse_second(context, reader_id, plan)
    at_stripe.give_up_open(context, reader_id, plan)
    _refuse_second(context, reader_id, plan)


def _refuse_second(context: Context, reader_id: UUID, plan: str) -> None:
    """Refuse whoever has the plan, or has agreed to it. What was never paid stands in nobody's way.

    Raises:
        PaymentDueError, AwaitingBankError, AlreadySubscribedError: which it is.
    """
    with context.db.reading() as session:
        theirs = session.scalars(
            sa.select(Subscription).where(
                Subscription.reader_id == reader_id, Subscription.plan == plan
            )
        )
        live = [subscription for subscription in theirs if subscription.status.live]
        agreed = session.scalar(
            sa.select(Checkout.id)
            .where(
                Checkout.reader_id == reader_id,
                Checkout.plan == plan,
                Checkout.status == CheckoutStatus.AWAITING_BANK,
            )
            .limit(1)
        )
    if any(each.status in _TO_BE_PAID for each in live):
        raise PaymentDueError("your last payment did not arrive; pay that one on your account page")
    if agreed is not None:
        raise AwaitingBankError("your bank has still to pay; see your account")
    if live:
        raise AlreadySubscribedError("you already subscribe to this; see your account")


def _subscription_params(
    context: Context, session: Session, checkout: Checkout, price: Price
) -> dict[str, Any]:
    metadata = at_stripe.marks(
        checkout, reader=str(checkout.reader_id), plan=price.plan, price=price.lookup_key
    )
    return {
        "mode": "subscription",
        "line_items": [{"price": price.stripe_price_id, "quantity": 1}],
        "subscription_data": {"metadata": metadata},
        "metadata": metadata,
        **_methods(context),
        **at_stripe.addresses(context, checkout),
        **_payer(session, checkout.reader_id),
    }


def _donation_params(
    context: Context, session: Session, checkout: Checkout, appeal: Appeal
) -> dict[str, Any]:
    reader = {"reader": str(checkout.reader_id)} if checkout.reader_id else {}
    metadata = at_stripe.marks(checkout, fund=appeal.fund, appeal=appeal.key, **reader)
    description = f"Donation to {appeal.name}"
    return {
        "mode": "payment",
        "submit_type": "donate",
        "line_items": [
            {
                "price_data": {
                    "currency": checkout.currency,
                    "unit_amount": checkout.amount,
                    "product_data": {"name": description},
                },
                "quantity": 1,
            }
        ],
        "payment_intent_data": {"metadata": metadata, "description": description},
        "metadata": metadata,
        **_methods(context),
        **at_stripe.addresses(context, checkout),
        **_payer(session, checkout.reader_id),
    }


def _methods(context: Context) -> dict[str, Any]:
    """Say how one may pay: without our word it would be whatever is switched on at Stripe.

    Source: https://docs.stripe.com/changelog/endive
    """
    return {"allowed_payment_method_types": list(context.settings.checkout.methods)}


def _payer(session: Session, reader_id: UUID | None) -> dict[str, str]:
    """Say who pays, where we know: the reader's last customer that Stripe still has, or none."""
    if reader_id is None:
        return {}
    customer = session.scalar(
        sa.select(Customer.stripe_customer_id)
        .where(Customer.reader_id == reader_id, Customer.deleted_at.is_(None))
        .order_by(Customer.created_at.desc())
        .limit(1)
    )
    if customer is not None:
        return {"customer": customer}
    reader = session.get_one(Reader, reader_id)
    return {"customer_email": reader.email} if reader.email_verified_at else {}
