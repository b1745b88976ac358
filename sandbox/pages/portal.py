"""The customer portal, `/p/session/{key}`: what pays is changed there, and invoices are read."""

from starlette.responses import Response

from sandbox.engine import portal
from sandbox.kernel.test_clock import living
from sandbox.kernel.world import Doc, World
from sandbox.pages import payer
from sandbox.pages.render import Form, closed, onward, page


def answer(world: World, key: str, form: Form, *, posted: bool) -> Response:
    """Show the portal, or the form for what is to pay, or take it."""
    session = portal.session_of(world, key)
    if session is None:
        return closed(410, "This page has expired", "Please start again where you came from.")
    if portal.is_done(world, session):
        return _after(session)
    using = world.get("billing_portal.configuration", session["configuration"])
    offered = ["card", "bacs_debit"] if world.store.setting("bacs_debit", 0) else ["card"]
    errors: dict[str, str] = {}
    if posted and not using["features"]["payment_method_update"]["enabled"]:
        errors = {"number": "This is not offered here."}
    elif posted:
        with world.changing(), living(world, session["customer"]):
            errors, address = _update(world, session, form, payer.kind_of(form, offered))
        if not errors:
            return onward(address)
    customer = world.get("customer", session["customer"])
    usual = customer["invoice_settings"]["default_payment_method"]
    invoices = world.store.find("invoice", {"customer": customer["id"]}, limit=12)
    return page(
        "portal.html",
        402 if errors else 200,
        session=session,
        usual=world.store.get(usual or ""),
        subscriptions=portal.subscriptions(world, session),
        invoices=[invoice for invoice in invoices if invoice["status"] != "draft"],
        features=using["features"],
        do=(session["flow"] or {}).get("type") or form.get("do"),
        **payer.shown(form, errors, offered, world.now),
    )


def _update(world: World, session: Doc, form: Form, kind: str) -> tuple[dict[str, str], str]:
    """Take a new means of payment; return what was wrong, and where to go on."""
    if errors := payer.problems(form, kind, world.now):
        return errors, ""
    customer = world.get("customer", session["customer"])
    known = {"email": customer["email"]} if customer["email"] else {}
    filled = payer.payer(form | known, kind, world.now)
    everywhere = bool(form.get("everywhere"))
    intent, decline = portal.update_method(world, session, filled, everywhere=everywhere)
    if decline is not None:
        return {"number": f"{decline.message} Nothing was changed."}, ""
    asked = intent["next_action"]
    return {}, asked["redirect_to_url"]["url"] if asked else session["url"]


def _after(session: Doc) -> Response:
    """Send on whoever has done what the flow was for."""
    # Source: https://docs.stripe.com/customer-management/portal-deep-links#customize-after-completion
    after = session["flow"]["after_completion"]
    if after["type"] == "redirect":
        return onward(after["redirect"]["return_url"])
    text = (after["hosted_confirmation"] or {}).get("custom_message") or "It has been done."
    return closed(200, "Thank you", text)
