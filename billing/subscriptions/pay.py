"""Paying in another way, and paying what is still open: both on Stripe's pages, never on ours.

"Pay now" leads to the one invoice that waits, so it can never begin a second subscription. The
portal asks only for another card or account; what was chosen there is used from then on.
"""

from contextlib import suppress
from typing import Any, Final, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import audit, payments, rate_limits
from billing.context import Context
from billing.errors import PASSING, RefusedError, StripeRefusedError, TooManyAttemptsError
from billing.models import AuditRecord, Command, Customer, Subscription
from billing.stripe_gateway import commands, read_billing
from billing.subscriptions.follow import look_again

_PORTAL: Final = "portal.open"
_PAY_FROM: Final = "method.pay_from"
# Each asks Stripe several times, and holds a thread meanwhile.
_VISITS: Final = rate_limits.Limit("visits to Stripe", 30, minutes=60)


def pay_page(context: Context, *, reader_id: UUID, subscription_id: UUID) -> str:
    """Return the address where the open invoice is paid; '' where nothing is to be paid any more.

    Raises:
        RefusedError: it is not this reader's.
        TooManyAttemptsError: asked too often this hour.
        StripeUnavailableError, BusyError, StaleReadError: try again later.
    """
    ours = _visit(context, reader_id, subscription_id)
    look_again(context, ours.stripe_subscription_id)
    with context.db.reading() as session:
        return session.get_one(Subscription, subscription_id).pay_url


def change_page(context: Context, *, reader_id: UUID, subscription_id: UUID) -> str:
    """Return the address where the reader says what later payments are to be taken from.

    Raises:
        RefusedError: it is not this reader's, or it is over.
        TooManyAttemptsError: asked too often this hour.
        StripeUnavailableError, StripeRefusedError, BusyError: nothing was changed; try again later.

    Source: https://docs.stripe.com/customer-management/portal-deep-links
    """
    ours = _visit(context, reader_id, subscription_id)
    if ours.status.ended:
        raise RefusedError("this subscription is already over")
    customer_id = ours.stripe_customer_id
    payments.look_at_customer(context, customer_id)
    here = f"{context.settings.public_url}/account"
    after = {"type": "redirect", "redirect": {"return_url": f"{here}/subscriptions/{ours.id}/back"}}
    params = {
        "customer": customer_id,
        "return_url": here,
        "flow_data": {"type": "payment_method_update", "after_completion": after},
    }
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        command = commands.decide(session, _PORTAL, subject=customer_id, params=params, now=now)
        audit.record(
            session,
            actor=f"reader:{reader_id}",
            action=_PORTAL,
            subject=customer_id,
            now=now,
            before=_choice(session, customer_id),
        )
        session.flush()
        command_id = command.id
    gateway = context.gateway
    way = commands.Way(
        call=lambda frozen, options: gateway.ask(
            lambda: gateway.client.v1.billing_portal.sessions.create(
                cast("Any", frozen), cast("Any", options)
            )
        ),
        look=lambda _command: None,  # it cannot be found again, and changes nothing by itself
        lasting=False,
    )
    return commands.ask(context.db, command_id, way, clock=context.clock).url


def come_back(context: Context, *, reader_id: UUID, subscription_id: UUID) -> None:
    """Use what the reader has just chosen, though Stripe's word of it may never come.

    Where Stripe does not answer nothing is lost: the portal has kept the choice.

    Raises:
        RefusedError: it is not this reader's.
    """
    with suppress(*PASSING, TooManyAttemptsError, StripeRefusedError):
        ours = _visit(context, reader_id, subscription_id)
        payments.look_at_customer(context, ours.stripe_customer_id)
        look_again(context, ours.stripe_subscription_id)
        _use_choice(context, reader_id, subscription_id)


def _use_choice(context: Context, reader_id: UUID, subscription_id: UUID) -> None:
    """Pay a subscription from the new choice: the portal only makes it the customer's.

    What a subscription has of its own goes before that, and Checkout gives it one of its own.

    Source: https://docs.stripe.com/customer-management/portal-deep-links#flow-types
    """
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        ours = session.get_one(Subscription, subscription_id)
        choice, own = _choice(session, ours.stripe_customer_id), ours.payment_method_id
        if not own or choice in ("", own, _choice_before(session, reader_id, ours)):
            return
        subject = f"{ours.stripe_subscription_id}:method"  # its end is another matter
        commands.supersede(session, subject=subject)
        params = {"default_payment_method": choice}
        command = commands.decide(session, _PAY_FROM, subject=subject, params=params, now=now)
        session.flush()
        command_id, subject = command.id, command.subject
    _pay_from(context, command_id, subject)


def finish_choice(context: Context, command: Command) -> None:
    """Learn what became of a choice nobody waits for any more.

    Raises:
        StripeRefusedError, StripeUnavailableError, BusyError: as Stripe answers.
    """
    _pay_from(context, command.id, command.subject)


def _pay_from(context: Context, command_id: UUID, subject: str) -> None:
    gateway = context.gateway
    stripe_id = subject.partition(":")[0]

    def look(command: Command) -> object | None:
        theirs = read_billing.subscription(gateway, stripe_id)
        if theirs is None or theirs.status.ended:
            raise StripeRefusedError(f"{stripe_id} is already over")
        chosen = theirs.payment_method_id == command.params["default_payment_method"]
        return theirs if chosen else None

    way: commands.Way[Any] = commands.Way(
        call=lambda frozen, options: gateway.ask(
            lambda: gateway.client.v1.subscriptions.update(
                stripe_id, cast("Any", frozen), cast("Any", options)
            )
        ),
        look=look,
        lasting=True,  # who gave another card expects the next payment from it
    )
    commands.ask(context.db, command_id, way, clock=context.clock)
    look_again(context, stripe_id)


def _visit(context: Context, reader_id: UUID, subscription_id: UUID) -> Subscription:
    with context.db.unit_of_work() as session:
        ours = session.get(Subscription, subscription_id)
        if ours is None or ours.reader_id != reader_id:
            raise RefusedError("this subscription is not yours; sign in with the right address")
        rate_limits.hit(session, _VISITS, str(reader_id), now=context.clock.now())
        return ours


def _choice(session: Session, customer_id: str) -> str:
    customer = session.get(Customer, customer_id)
    return customer.payment_method_id if customer else ""


def _choice_before(session: Session, reader_id: UUID, ours: Subscription) -> str:
    """Return what the customer paid from when this reader last left for the portal."""
    left = session.scalar(
        sa.select(AuditRecord)
        .where(
            AuditRecord.action == _PORTAL,
            AuditRecord.actor == f"reader:{reader_id}",
            AuditRecord.subject == ours.stripe_customer_id,
        )
        .order_by(AuditRecord.id.desc())
        .limit(1)
    )
    return str(left.detail.get("before", "")) if left else _choice(session, ours.stripe_customer_id)
