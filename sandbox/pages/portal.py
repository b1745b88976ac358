"""The customer portal, `/p/session/{key}`: a card or account changed, a subscription ended."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.engine import portal
from sandbox.kernel.store import Doc
from sandbox.kernel.test_clock import living
from sandbox.kernel.world import World
from sandbox.pages import payer
from sandbox.pages.payer import Form
from sandbox.pages.render import given, page


def routes(world: World) -> list[Route]:
    """Return the page's addresses."""

    async def answer(request: Request) -> Response:
        asked = dict(request.query_params) | await given(request)
        form = {name: str(value).strip() for name, value in asked.items()}
        key, posted = form.pop("key"), request.method == "POST"
        return await run_in_threadpool(_answer, world, key, form, posted=posted)

    return [Route("/p/session/{key}", answer, methods=["GET", "POST"])]


def _answer(world: World, key: str, form: Form, *, posted: bool) -> Response:
    """Show the portal, or one thing to do in it, or do it."""
    with world.lock:
        world.run_due()
        session = portal.session_of(world, key)
        if session is None:
            text = "Please start again where you came from."
            return page("closed.html", 410, heading="This page has expired", text=text)
        if portal.is_done(world, session):
            return _after(session)
        flow = (session["flow"] or {}).get("type")
        errors: dict[str, str] = {}
        if posted:
            with world.changing(), living(world, session["customer"]):
                errors, onward = _act(world, session, form, flow)
            if not errors:
                return RedirectResponse(onward or session["url"], 303)
        return _shown(world, session, form, errors, flow or form.get("do", ""))


def _act(
    world: World, session: Doc, form: Form, flow: str | None
) -> tuple[dict[str, str], str | None]:
    """Do what a button says, if it is offered; return what was wrong, or where to go on."""
    offered, act = _features(world, session), form.get("act", "")
    if flow not in {None, act} or (act in offered and not offered[act]["enabled"]):
        return {"act": "This is not offered here."}, None
    if act == "payment_method_update":
        return _update_method(world, session, form)
    found = [
        each
        for each in portal.subscriptions(world, session)
        if each["id"] == form.get("subscription")
    ]
    for each in found:
        if act == "subscription_cancel":
            said = {name: form.get(name) or None for name in ("comment", "feedback")}
            portal.cancel(world, session, each, said)
        elif act == "subscription_resume":
            portal.resume(world, each)
    return ({}, None) if found else ({"act": "This subscription has ended."}, None)


def _update_method(world: World, session: Doc, form: Form) -> tuple[dict[str, str], str | None]:
    customer = world.get("customer", session["customer"])
    kind = payer.kind_of(form, _offered(world))
    errors = payer.problems(form, kind, world.now)
    if errors:
        return errors, None
    known = {"email": customer["email"]} if customer["email"] else {}
    filled = payer.payer(form | known, kind, world.now)
    everywhere = bool(form.get("everywhere"))
    intent, decline = portal.update_method(world, session, filled, everywhere=everywhere)
    if decline is not None:
        return {"number": f"{decline.message} Nothing was changed."}, None
    asked = intent["next_action"]
    return {}, asked["redirect_to_url"]["url"] if asked else None


def _shown(world: World, session: Doc, form: Form, errors: dict[str, str], do: str) -> Response:
    customer = world.get("customer", session["customer"])
    usual = customer["invoice_settings"]["default_payment_method"]
    invoices = world.store.find("invoice", {"customer": customer["id"]}, limit=12)
    return page(
        "portal.html",
        402 if errors else 200,
        session=session,
        customer=customer,
        usual=world.store.get(usual or ""),
        subscriptions=portal.subscriptions(world, session),
        invoices=[invoice for invoice in invoices if invoice["status"] != "draft"],
        features=_features(world, session),
        do=do,
        form=form,
        errors=errors,
        offered=_offered(world),
        kind=payer.kind_of(form, _offered(world)),
        next_year=payer.next_year(world.now),
    )


def _after(session: Doc) -> Response:
    """Send on whoever has done what the flow was for.

    Source: https://docs.stripe.com/customer-management/portal-deep-links#customize-after-completion
    """
    after = session["flow"]["after_completion"]
    if after["type"] == "redirect":
        return RedirectResponse(after["redirect"]["return_url"], 303)
    text = (after["hosted_confirmation"] or {}).get("custom_message") or "It has been done."
    return page("closed.html", 200, heading="Thank you", text=text)


def _features(world: World, session: Doc) -> dict[str, Any]:
    using = world.get("billing_portal.configuration", session["configuration"])
    features: dict[str, Any] = using["features"]
    return features


def _offered(world: World) -> list[str]:
    return ["card", "bacs_debit"] if world.store.setting("bacs_debit", 0) else ["card"]
