"""A Checkout Session's life: open, then paid and complete, or expired."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sandbox.engine import payment, subscription
from sandbox.engine.cards import Card, Decline
from sandbox.engine.customer import new_customer
from sandbox.kernel.ids import new_id
from sandbox.kernel.metadata import merged
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World, job

_LIFE: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Payer:
    """What somebody typed into the payment page."""

    email: str
    name: str
    card: Card
    expiry: tuple[int, int]
    country: str
    postal_code: str | None = None

    @property
    def details(self) -> dict[str, Any]:
        """Who pays, as charges and sessions tell it."""
        address: dict[str, str | None] = dict.fromkeys(("city", "line1", "line2", "state"))
        address |= {"country": self.country, "postal_code": self.postal_code}
        return {"address": address, "email": self.email, "name": self.name, "phone": None}


def open_session(
    world: World, given: Mapping[str, Any], items: list[dict[str, Any]], data: Mapping[str, Any]
) -> Doc:
    """Store a session and what it sells; `data` is for what the payment will create.

    Source: https://docs.stripe.com/payments/checkout/how-checkout-works
    """
    ident, expires_at = new_id("checkout.session"), world.now + _LIFE
    subscribing = given["mode"] == "subscription"
    texts = ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
    total = sum(item["amount_total"] for item in items)
    fields = {
        "id": ident,
        "amount_subtotal": total,
        "amount_total": total,
        "currency": items[0]["currency"],
        "custom_text": dict.fromkeys(texts),
        "customer_creation": None if subscribing or "customer" in given else "if_required",
        "expires_at": expires_at,
        "payment_method_collection": "always" if subscribing else "if_required",
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "status": "open",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"{world.url}/c/pay/{ident}",
        **given,
    }
    session = world.create("checkout.session", fields)
    for item in items:
        world.create("item", {**item, "metadata": {}}, parent=ident)
    kept = {**data, "metadata": merged({}, data.get("metadata", {}))}
    world.store.set_setting(ident, kept)
    world.schedule(expires_at, "checkout.session.due", ident)
    return session


def pay(world: World, session: Doc, payer: Payer) -> Decline | None:
    """Take the payment and complete the session; a declined card leaves it open.

    Source: https://docs.stripe.com/checkout/fulfillment
    """
    customer, subscribing = session["customer"], session["mode"] == "subscription"
    accepted = payer.card.now is None
    if subscribing and accepted and not customer:
        told = ("address", "email", "name")
        customer = new_customer(world, {name: payer.details[name] for name in told})["id"]
    intent = _intent(world, session, customer)
    method = payment.new_method(world, payer.card, payer.details, payer.expiry)
    if subscribing and accepted:
        method = payment.attach(world, method, customer)
    intent, decline = payment.attempt(world, intent, method, present=True)
    if decline is not None:
        return decline
    made = {"customer": customer}
    if subscribing:
        items = world.store.children(session["id"], "item")
        metadata = world.store.setting(session["id"], {})["metadata"]
        begun = subscription.start(world, items, intent, metadata)
        made |= {"subscription": begun["id"], "invoice": begun["latest_invoice"]}
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


def _intent(world: World, session: Doc, customer: str | None) -> Doc:
    """Return the session's one intent: a second card is a second try of the same payment."""
    for intent in world.store.children(session["id"], "payment_intent"):
        return world.change(intent, {"customer": customer})
    terms = {"setup_future_usage": "off_session", "description": "Subscription creation"}
    if session["mode"] == "payment":
        terms = world.store.setting(session["id"], {})
    terms |= {"amount": session["amount_total"], "currency": session["currency"]}
    intent = payment.open_intent(world, terms | {"customer": customer}, parent=session["id"])
    if session["mode"] == "payment":
        session |= world.change(session, {"payment_intent": intent["id"]})
    return intent


def _complete(world: World, session: Doc, made: Mapping[str, Any], payer: Payer) -> None:
    names = dict.fromkeys(("business_name", "individual_name"))
    fields: dict[str, Any] = {
        "collected_information": names | {"shipping_details": None},
        "customer_details": payer.details | names | {"tax_exempt": "none", "tax_ids": []},
        "payment_status": "paid",
        "status": "complete",
        "url": None,
    }
    world.change(session, {**fields, **made}, event="checkout.session.completed")
