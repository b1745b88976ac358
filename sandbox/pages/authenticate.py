"""3-D Secure, `/authenticate/{intent}`: the page of the cardholder's bank, with two buttons."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.engine import payment, setup
from sandbox.kernel.store import Doc
from sandbox.kernel.test_clock import living
from sandbox.kernel.world import World
from sandbox.pages.checkout import return_address
from sandbox.pages.render import Given, given, page


def routes(world: World) -> list[Route]:
    """Return the page's addresses."""

    def show(request: Request) -> Response:
        return _answer(world, {"intent": request.path_params["intent"]})

    async def submit(request: Request) -> Response:
        return await run_in_threadpool(_answer, world, await given(request))

    address = "/authenticate/{intent}"
    return [Route(address, show, methods=["GET"]), Route(address, submit, methods=["POST"])]


def _answer(world: World, given: Given) -> Response:
    """Ask, or go on with what was answered; afterwards the payer is back where they came from."""
    with world.changing(), living(world, given["intent"]):
        intent = world.store.get(given["intent"]) or {}
        if intent.get("status") != "requires_action":
            text = "Nothing is left to do on this page."
            return page("closed.html", 410, heading="Nothing is asked", text=text)
        if given.get("outcome") not in {"confirm", "fail"}:
            amount, currency = intent.get("amount"), intent.get("currency")
            return page("authenticate.html", amount=amount, currency=currency)
        confirmed = given["outcome"] == "confirm"
        engine = payment if intent["object"] == "payment_intent" else setup
        engine.authenticate(world, intent, confirmed=confirmed)
        return RedirectResponse(_back(world, intent), 303)


def _back(world: World, intent: Doc) -> str:
    """Return where what the intent is for is shown; the console if nobody asked for it."""
    owner = world.store.get(world.store.parent(intent["id"])) or {}
    if owner.get("object") == "checkout.session" and owner["status"] == "complete":
        return return_address(owner)
    address: str = owner.get("url") or owner.get("hosted_invoice_url") or "/"
    return address
