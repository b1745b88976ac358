"""Leaving for Stripe's page, and coming back from it.

Neither door holds a database session while Stripe is asked. Whatever goes wrong on the way out
is said on the page the reader came from, with all they chose still there, and nothing taken.
"""

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, Form, Query
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from billing import checkout
from billing.catalogue.data import Appeal
from billing.checkout.tokens import same_browser
from billing.clock import accounting_day
from billing.context import Context
from billing.errors import (
    AmountError,
    BusyError,
    StripeRefusedError,
    StripeUnavailableError,
    TooManyAttemptsError,
)
from billing.models import (
    Checkout,
    CheckoutKind,
    CheckoutStatus,
    Payment,
    Receipt,
    Subscription,
)
from billing.money import Money
from billing.sign_in import READER_LASTS
from billing.web import cookies, errors, forms, key_facts, paper, progress
from billing.web.caller import caller_of
from billing.web.dependencies import ContextDep, MaybeReader, NowDep, PassingReader, SessionDep
from billing.web.render import render, write_money
from billing.web.typed import Typed

router = APIRouter(include_in_schema=False)

_A_DAY = 24 * 60 * 60
_KEPT = 200  # the longest source we keep

# What may be put right by trying again, and so is said on the page the reader came from.
_AGAIN = (StripeUnavailableError, StripeRefusedError, BusyError, TooManyAttemptsError)

Field = Annotated[Typed, Form(max_length=_KEPT)]


@router.post("/checkout/subscription")
def subscribe(
    request: Request,
    context: ContextDep,
    reader: PassingReader,
    now: NowDep,
    price: Field,
    source: Field = "",
    facts: Field = "",
) -> Response:
    """Start a subscription, and send the reader to Stripe's page."""
    plan, chosen = context.catalogue.price(price)
    shown = key_facts.draw(context, plan, chosen, today=accounting_day(now))
    if facts not in ("", shown.version):
        return forms.subscription_page(
            request, shown, source=source, problem="facts_changed", status_code=409
        )
    try:
        started = checkout.start_subscription(
            context,
            lookup_key=price,
            reader_id=reader.id if reader else None,
            browser=cookies.read(request, cookies.CHECKOUT, context.settings),
            source=source,
            shown=shown.as_shown(),
            caller=caller_of(request, context.settings),
        )
    except _AGAIN as error:
        status, problem = errors.status_and_page(error)
        return forms.subscription_page(
            request, shown, source=source, problem=problem, status_code=status
        )
    return _leave_for_stripe(context, started)


@router.post("/checkout/donation")
def give(
    request: Request,
    context: ContextDep,
    reader: PassingReader,
    now: NowDep,
    appeal: Field,
    amount: Field = "",
    other: Field = "",
    source: Field = "",
) -> Response:
    """Start a gift, and send the giver to Stripe's page."""
    chosen = context.catalogue.appeal(appeal)
    typed = forms.TypedGift(amount=amount, other=other, source=source)
    today = accounting_day(now)

    def ask_again(status: int, *, problem: str = "", wrong_amount: str = "") -> Response:
        with context.db.reading() as session:
            return forms.appeal_page(
                request,
                session,
                chosen,
                today=today,
                typed=typed,
                problem=problem,
                wrong_amount=wrong_amount,
                status_code=status,
            )

    if not forms.is_open(chosen, today):
        return ask_again(409)
    try:
        money = typed.read(context.settings.giving)
        started = checkout.start_donation(
            context,
            appeal=appeal,
            amount=money,
            reader_id=reader.id if reader else None,
            browser=cookies.read(request, cookies.CHECKOUT, context.settings),
            source=source,
            shown=_gift_as_shown(chosen, money),
            caller=caller_of(request, context.settings),
        )
    except AmountError as error:
        return ask_again(422, wrong_amount=str(error))
    except _AGAIN as error:
        status, problem = errors.status_and_page(error)
        return ask_again(status, problem=problem)
    return _leave_for_stripe(context, started)


@router.get("/checkout/{checkout_id}/return")
def come_back(
    request: Request,
    context: ContextDep,
    checkout_id: UUID,
    token: Annotated[str, Query(max_length=_KEPT)] = "",
) -> Response:
    """Settle what was paid, sign in the browser that left, and lead on to the thanks."""
    browser = cookies.read(request, cookies.CHECKOUT, context.settings)
    returned = checkout.settle_return(
        context, checkout_id=checkout_id, token=token, browser=browser
    )
    answer = RedirectResponse(f"/checkout/{checkout_id}/thanks", status_code=303)
    if returned.session_token:
        cookies.give(
            answer,
            cookies.READER,
            returned.session_token,
            settings=context.settings,
            max_age=int(READER_LASTS.total_seconds()),
        )
    return answer


@router.get("/checkout/{checkout_id}/cancelled")
def cancelled(request: Request, session: SessionDep, checkout_id: UUID) -> Response:
    """Say that nothing was taken, and offer the way back."""
    left = _find(session, checkout_id)
    return render(request, "cancelled.html", back=_page_of(left), gift=_is_gift(left))


@router.get("/checkout/{checkout_id}/thanks")
def thanks(
    request: Request,
    context: ContextDep,
    session: SessionDep,
    reader: MaybeReader,
    now: NowDep,
    checkout_id: UUID,
) -> Response:
    """Thank whoever paid, and say how things stand; for the browser that paid alone."""
    paid = _find(session, checkout_id)
    browser = cookies.read(request, cookies.CHECKOUT, context.settings)
    own = reader is not None and reader.id == paid.reader_id
    if not (own or same_browser(browser, paid.browser_hash)):
        return errors.page(request, 403, "not_this_browser")
    values: dict[str, Any] = {
        "checkout": paid,
        "again": _page_of(paid),
        "signed_in_now": reader is not None,
    }
    if paid.status in (CheckoutStatus.EXPIRED, CheckoutStatus.FAILED):
        return render(request, "thanks_not.html", **values)
    if paid.status is CheckoutStatus.OPEN:
        return render(request, "thanks_waiting.html", **values)
    values |= {
        "awaiting_bank": paid.status is CheckoutStatus.AWAITING_BANK,
        "receipt": _receipt_of(session, paid),
    }
    if _is_gift(paid):
        appeal = context.catalogue.appeal(paid.item)
        so_far = progress.of(session, appeal, today=accounting_day(now))
        return render(request, "thanks_gift.html", **values, appeal=appeal, progress=so_far)
    return render(
        request,
        "thanks_subscription.html",
        **values,
        plan=context.catalogue.plan_name(paid.plan),
        subscription=_subscription_of(session, paid),
        back_to=paper.page_of(context, paid.source),
    )


def _leave_for_stripe(context: Context, started: checkout.Started) -> Response:
    answer = RedirectResponse(started.url, status_code=303)
    cookies.give(
        answer, cookies.CHECKOUT, started.browser, settings=context.settings, max_age=_A_DAY
    )
    return answer


def _gift_as_shown(appeal: Appeal, money: Money) -> dict[str, object]:
    """Return what the giver had before them: whose appeal, for what, and how much."""
    return {
        "template": "appeal.html",
        "appeal": appeal.name,
        "purpose": appeal.purpose,
        "amount": money.amount,
        "currency": money.currency,
        "written": write_money(money),
    }


def _find(session: Session, checkout_id: UUID) -> Checkout:
    found = session.get(Checkout, checkout_id)
    if found is None:
        raise HTTPException(404)
    return found


def _is_gift(ours: Checkout) -> bool:
    return ours.kind is CheckoutKind.DONATION


def _page_of(ours: Checkout) -> str:
    """Return the page somebody can try again from, still knowing which article led there."""
    path = f"/appeals/{ours.item}" if _is_gift(ours) else f"/subscribe/{ours.item}"
    return f"{path}?{urlencode({'source': ours.source})}" if ours.source else path


def _receipt_of(session: Session, ours: Checkout) -> str:
    receipt = session.scalar(
        sa.select(Receipt)
        .join(Payment, Payment.id == Receipt.payment_id)
        .where(Payment.checkout_id == ours.id)
        .order_by(Receipt.issued_at)
        .limit(1)
    )
    return str(receipt) if receipt else ""


def _subscription_of(session: Session, ours: Checkout) -> Subscription | None:
    return session.scalar(sa.select(Subscription).where(Subscription.checkout_id == ours.id))
