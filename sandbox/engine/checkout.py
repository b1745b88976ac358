"""A Checkout Session's life: open, then paid and complete, or expired."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sandbox.engine import payment, subscription
from sandbox.engine.cards import Card, Decline
from sandbox.engine.customer import new_customer
from sandbox.kernel.ids import new_id
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World, job

NO_TEXTS: Final = dict.fromkeys(
    ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
)


@dataclass(frozen=True, slots=True)
class Payer:
    """What somebody typed into the payment page."""

    email: str
    name: str
    card: Card
    expiry: tuple[int, int]
    country: str | None = None
    postal_code: str | None = None
    agreed: bool = False


def open_session(
    world: World, fields: Mapping[str, Any], items: list[dict[str, Any]], data: Mapping[str, Any]
) -> Doc:
    """Store a session and what it sells; `data` is for what the payment will create.

    Source: https://docs.stripe.com/payments/checkout/how-checkout-works
    """
    ident = new_id("checkout.session")
    always = fields["mode"] == "subscription"
    session = world.create(
        "checkout.session",
        {
            "id": ident,
            "payment_method_collection": "always" if always else "if_required",
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "payment_status": "unpaid",
            "status": "open",
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            "ui_mode": "hosted_page",
            "url": f"{world.url}/c/pay/{ident}",
            **fields,
        },
    )
    for item in items:
        world.create("item", {**item, "metadata": {}}, parent=ident)
    hidden = {"id": f"{ident}:data", "object": "_session_data", **data}
    world.store.insert(hidden, parent=ident)
    world.schedule(session["expires_at"], "checkout.session.due", ident)
    return session


def pay(world: World, session: Doc, payer: Payer) -> Decline | None:
    """Take the payment and complete the session; a declined card leaves it open.

    Source: https://docs.stripe.com/checkout/fulfillment
    """
    customer = session["customer"]
    if payer.card.now is None:
        customer = _customer(world, session, payer)
    intent = _intent(world, session, customer)
    method = payment.new_method(world, payer.card, _billing(payer), payer.expiry)
    keeps = session["mode"] == "subscription" or intent["setup_future_usage"]
    if keeps and customer and payer.card.now is None:
        method = payment.attach(world, method, customer)
    intent, decline = payment.attempt(world, intent, method, present=True)
    if decline is not None:
        return decline
    made = {"customer": customer, "consent": _consent(session, payer)}
    if session["mode"] == "subscription":
        made |= _subscribe(world, session, intent, method["id"])
    _complete(world, session, made, payer)
    return None


def expire(world: World, session: Doc) -> Doc:
    """Close an open session unpaid, and the payment it had begun.

    Source: https://docs.stripe.com/api/checkout/sessions/expire
    """
    for intent in world.store.children(session["id"], "payment_intent"):
        closed = {"status": "canceled", "canceled_at": world.now, "cancellation_reason": "expired"}
        world.change(intent, closed, event="payment_intent.canceled")
    fields = {"status": "expired", "url": None}
    return world.change(session, fields, event="checkout.session.expired")


@job("checkout.session.due")
def _look(world: World, ident: str) -> None:
    session = world.get("checkout.session", ident)
    if session["status"] == "open":
        expire(world, session)


def _customer(world: World, session: Doc, payer: Payer) -> str | None:
    wanted = session["mode"] == "subscription" or session["customer_creation"] == "always"
    future = _data(world, session).get("setup_future_usage")
    if session["customer"] or not (wanted or future):
        ident: str | None = session["customer"]
        return ident
    fields = {"email": payer.email, "name": payer.name, "address": _address(payer)}
    created: str = new_customer(world, fields)["id"]
    return created


def _intent(world: World, session: Doc, customer: str | None) -> Doc:
    """Return the session's one intent: a second card is a second try of the same payment."""
    for intent in world.store.children(session["id"], "payment_intent"):
        return world.change(intent, {"customer": customer})
    data = _data(world, session)
    subscribing = session["mode"] == "subscription"
    terms = payment.Terms(
        amount=session["amount_total"],
        currency=session["currency"],
        customer=customer,
        description="Subscription creation" if subscribing else data.get("description"),
        metadata={} if subscribing else data.get("metadata"),
        receipt_email=data.get("receipt_email"),
        setup_future_usage="off_session" if subscribing else data.get("setup_future_usage"),
    )
    intent = payment.open_intent(world, terms, parent=session["id"])
    if not subscribing:
        session |= world.change(session, {"payment_intent": intent["id"]})
    return intent


def _subscribe(world: World, session: Doc, intent: Doc, method: str) -> dict[str, str]:
    data = _data(world, session)
    order = subscription.Order(
        customer=intent["customer"],
        lines=[
            (item["price"], item["quantity"])
            for item in world.store.children(session["id"], "item")
        ],
        method=method,
        metadata=data.get("metadata") or {},
        description=data.get("description"),
    )
    made = subscription.start_paid(world, order, intent)
    return {"subscription": made["id"], "invoice": made["latest_invoice"]}


def _complete(world: World, session: Doc, made: Mapping[str, Any], payer: Payer) -> None:
    details: dict[str, Any] = {
        "address": _address(payer),
        "business_name": None,
        "email": payer.email,
        "individual_name": None,
        "name": payer.name,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }
    collected = dict.fromkeys(("business_name", "individual_name", "shipping_details"))
    fields: dict[str, Any] = {"status": "complete", "payment_status": "paid", "url": None}
    fields |= {"customer_details": details, "collected_information": collected}
    world.change(session, {**fields, **made}, event="checkout.session.completed")


def _consent(session: Doc, payer: Payer) -> dict[str, str | None] | None:
    if session["consent_collection"] is None:
        return None
    return {"promotions": None, "terms_of_service": "accepted" if payer.agreed else None}


def _data(world: World, session: Doc) -> Doc:
    return world.store.get(f"{session['id']}:data") or {}


def _billing(payer: Payer) -> dict[str, Any]:
    known = {"address": _address(payer), "email": payer.email, "name": payer.name}
    return known | {"phone": None, "tax_id": None}


def _address(payer: Payer) -> dict[str, str | None]:
    empty: dict[str, str | None] = dict.fromkeys(("city", "line1", "line2", "state"))
    return empty | {"country": payer.country or "GB", "postal_code": payer.postal_code}
