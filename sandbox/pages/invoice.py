"""The hosted page of an invoice, `/i/{invoice}`: what it is for, and a form while it is owed."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.engine import collection, invoice
from sandbox.engine.checkout import Payer
from sandbox.engine.method import attach, new_method
from sandbox.kernel.store import Doc
from sandbox.kernel.test_clock import living
from sandbox.kernel.world import World
from sandbox.pages import payer
from sandbox.pages.payer import Form
from sandbox.pages.render import given, page


def routes(world: World) -> list[Route]:
    """Return the page's addresses."""

    def show(request: Request) -> Response:
        with world.lock:
            world.run_due()
            return _show(world, request.path_params["invoice"], {}, {})

    async def submit(request: Request) -> Response:
        form = {name: str(value).strip() for name, value in (await given(request)).items()}
        return await run_in_threadpool(_pay, world, form.pop("invoice"), form)

    address = "/i/{invoice}"
    return [Route(address, show, methods=["GET"]), Route(address, submit, methods=["POST"])]


def _show(world: World, ident: str, form: Form, errors: dict[str, str]) -> Response:
    bill = world.store.get(ident) or {}
    if bill.get("object") != "invoice" or bill["status"] == "draft":
        return page("closed.html", 404, heading="No such invoice", text="Nothing is owed here.")
    return page(
        "invoice.html",
        402 if errors else 200,
        invoice=bill,
        lines=world.store.children(ident, "line_item"),
        form=form,
        errors=errors,
        next_year=payer.next_year(world.now),
    )


def _pay(world: World, ident: str, form: Form) -> Response:
    """Charge the card that was typed in; it is then the invoice's, not the subscription's."""
    with world.lock:
        world.run_due()
        bill = world.store.get(ident) or {}
        typed = form | {"email": str(bill.get("customer_email") or "@")}
        errors = payer.problems(typed, "card", world.now)
        if bill.get("status") not in {"open", "uncollectible"} or errors:
            return _show(world, ident, form, errors)
        filled = payer.payer(typed, "card", world.now)
        with world.changing(), living(world, ident):
            intent = _collected(world, bill, filled)
        if intent["next_action"]:
            return RedirectResponse(intent["next_action"]["redirect_to_url"]["url"], 303)
        if error := intent["last_payment_error"]:
            return _show(world, ident, form, {"number": f"{error['message']} Nothing was paid."})
        return RedirectResponse(bill["hosted_invoice_url"], 303)


def _collected(world: World, bill: Doc, filled: Payer) -> Doc:
    if filled.instrument is None:
        raise ValueError("a form without problems names a card")
    method = new_method(world, filled.instrument, filled.details, filled.expiry)
    attach(world, method, bill["customer"])
    intent = invoice.intent_of(world, bill)
    collection.collect(world, bill, method=method["id"], present=True)
    return world.get("payment_intent", intent["id"])
