"""The pages that ask: support, the plans side by side, the facts before paying, and the appeals."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from billing.clock import accounting_day
from billing.web import forms, key_facts, progress
from billing.web.dependencies import ContextDep, NowDep, SessionDep
from billing.web.render import render
from billing.web.typed import Typed

router = APIRouter(include_in_schema=False)

# The article that led here; carried along so that the thanks can lead back to it.
Source = Annotated[Typed, Query(max_length=200)]


@router.get("/")
def front() -> RedirectResponse:
    """Lead to the support page."""
    return RedirectResponse("/support", status_code=307)


@router.get("/support")
def support(
    request: Request, context: ContextDep, session: SessionDep, now: NowDep, source: Source = ""
) -> Response:
    """Show every way to support the paper."""
    today = accounting_day(now)
    appeals = [
        (appeal, progress.of(session, appeal, today=today))
        for appeal in context.catalogue.appeals
        if forms.is_open(appeal, today)
    ]
    return render(
        request,
        "support.html",
        special=[pair for pair in appeals if not pair[1].monthly],
        monthly=[pair for pair in appeals if pair[1].monthly],
        source=source,
    )


@router.get("/subscribe")
def plans(request: Request, source: Source = "") -> Response:
    """Show the plans side by side."""
    return render(request, "subscribe.html", source=source)


@router.get("/subscribe/{lookup_key}")
def before_paying(
    request: Request, context: ContextDep, now: NowDep, lookup_key: str, source: Source = ""
) -> Response:
    """Show what one is about to agree to: the last page before Stripe's."""
    plan, price = context.catalogue.price(lookup_key)
    facts = key_facts.draw(context, plan, price, today=accounting_day(now))
    return forms.subscription_page(request, facts, source=source)


@router.get("/appeals/{key}")
def appeal(
    request: Request,
    context: ContextDep,
    session: SessionDep,
    now: NowDep,
    key: str,
    source: Source = "",
) -> Response:
    """Show one appeal, how far it has come, and how to give."""
    found = context.catalogue.appeal(key)
    return forms.appeal_page(
        request, session, found, today=accounting_day(now), typed=forms.TypedGift(source=source)
    )
