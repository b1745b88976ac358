"""A reader's own page: what they have, until when, what they paid, how, and the way out."""

from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from billing import payments, subscriptions
from billing.access import gift_links
from billing.access.decide import Policy
from billing.access.explain import explain
from billing.clock import accounting_day
from billing.models import (
    Payment,
    PaymentStatus,
    Receipt,
    Refund,
    RefundStatus,
    Subscription,
    SubscriptionStatus,
)
from billing.web.dependencies import (
    ContextDep,
    CurrentReader,
    NowDep,
    PassingReader,
    SessionDep,
    SignInNeededError,
)
from billing.web.render import render

router = APIRouter(include_in_schema=False)

_GIVEN_UP = (RefundStatus.FAILED, RefundStatus.CANCELED)


@dataclass(frozen=True, slots=True)
class Holding:
    """One running subscription, and how it is paid.

    Attributes:
        paid_from: what its next payment is taken from.
        under_way: a bank works on a payment.
    """

    subscription: Subscription
    paid_from: payments.PaidFrom
    under_way: bool


@dataclass(frozen=True, slots=True)
class Paid:
    """One payment as its payer sees it.

    Attributes:
        receipt: its number; '' where none was issued.
    """

    payment: Payment
    receipt: str
    item: str
    refunds: tuple[Refund, ...]


@router.get("/account")
def account(
    request: Request, context: ContextDep, session: SessionDep, reader: CurrentReader, now: NowDep
) -> Response:
    """Show a reader everything we hold for them."""
    theirs = session.scalars(
        sa.select(Subscription)
        .where(Subscription.reader_id == reader.id)
        .where(Subscription.status != SubscriptionStatus.INCOMPLETE_EXPIRED)
        .order_by(Subscription.started_at.desc())
    ).all()
    today = accounting_day(now)
    names = {plan.key: plan.name for plan in context.catalogue.plans}
    funds = {appeal.fund: appeal.name for appeal in context.catalogue.appeals}
    policy = Policy(context.settings.paywall.limit_of(signed_in=True))
    standing = explain(session, reader.id, at=now, policy=policy)
    return render(
        request,
        "account.html",
        reader=reader,
        today=today,
        standing=standing,
        reads_on=any(right.holds for right in standing.known),
        running=[
            Holding(
                s,
                payments.paid_from(session, s, today=today),
                subscriptions.payment_under_way(session, s) is not None,
            )
            for s in theirs
            if not s.status.ended
        ],
        over=[s for s in theirs if s.status.ended],
        plan_names=names,
        direct_debit="bacs_debit" in context.settings.checkout.methods,
        paid=_paid(session, reader.id, names=names, funds=funds),
        passes_on=gift_links.may_give(session, reader.id, now=now),
        passed_on=gift_links.of(session, reader.id, now=now),
        gifts_left=gift_links.left(session, reader.id, now=now),
        now=now,
    )


@router.post("/account/subscriptions/{subscription_id}/cancel")
def cancel(context: ContextDep, reader: PassingReader, subscription_id: UUID) -> Response:
    """End a subscription when what is paid runs out; one step, undoable until then."""
    if reader is None:
        raise SignInNeededError(office=False)
    subscriptions.cancel_at_period_end(
        context, reader_id=reader.id, subscription_id=subscription_id
    )
    return RedirectResponse("/account", status_code=303)


@router.post("/account/subscriptions/{subscription_id}/keep")
def keep(context: ContextDep, reader: PassingReader, subscription_id: UUID) -> Response:
    """Take back an end that has not come yet."""
    if reader is None:
        raise SignInNeededError(office=False)
    subscriptions.keep(context, reader_id=reader.id, subscription_id=subscription_id)
    return RedirectResponse("/account", status_code=303)


@router.post("/account/subscriptions/{subscription_id}/pay")
def pay(context: ContextDep, reader: PassingReader, subscription_id: UUID) -> Response:
    """Lead to Stripe's page for the payment that is still to be made; to no new subscription."""
    if reader is None:
        raise SignInNeededError(office=False)
    page = subscriptions.pay_page(context, reader_id=reader.id, subscription_id=subscription_id)
    return RedirectResponse(page or "/account", status_code=303)


@router.post("/account/subscriptions/{subscription_id}/pay-from")
def pay_from(context: ContextDep, reader: PassingReader, subscription_id: UUID) -> Response:
    """Lead to Stripe's page for another card or account."""
    if reader is None:
        raise SignInNeededError(office=False)
    page = subscriptions.change_page(context, reader_id=reader.id, subscription_id=subscription_id)
    return RedirectResponse(page, status_code=303)


@router.get("/account/subscriptions/{subscription_id}/back")
def back(context: ContextDep, reader: PassingReader, subscription_id: UUID) -> Response:
    """Use what was chosen at Stripe, and lead back to the account."""
    if reader is None:
        raise SignInNeededError(office=False)
    subscriptions.come_back(context, reader_id=reader.id, subscription_id=subscription_id)
    return RedirectResponse("/account", status_code=303)


def _paid(
    session: Session, reader_id: UUID, *, names: dict[str, str], funds: dict[str, str]
) -> list[Paid]:
    rows = session.execute(
        sa.select(Payment, Receipt)
        .outerjoin(Receipt, Receipt.payment_id == Payment.id)
        .where(Payment.reader_id == reader_id, Payment.status == PaymentStatus.SUCCEEDED)
        .order_by(Payment.paid_at.desc())
    ).all()
    refunds: dict[UUID, list[Refund]] = defaultdict(list)
    for refund in session.scalars(
        sa.select(Refund)
        .join(Payment, Payment.id == Refund.payment_id)
        .where(Payment.reader_id == reader_id, Refund.status.not_in(_GIVEN_UP))
        .order_by(Refund.created_at)
    ):
        refunds[refund.payment_id].append(refund)
    return [
        Paid(
            payment=payment,
            receipt=_number(receipt),
            item=_item(payment, names=names, funds=funds),
            refunds=tuple(refunds[payment.id]),
        )
        for payment, receipt in rows
    ]


def _number(receipt: Receipt | None) -> str:
    return "" if receipt is None else str(receipt)


def _item(payment: Payment, *, names: dict[str, str], funds: dict[str, str]) -> str:
    if payment.fund:
        appeal = funds.get(payment.fund, payment.fund)
        return f"Gift to {appeal.replace('The ', 'the ', 1)}"
    return names.get(payment.plan, payment.plan)
