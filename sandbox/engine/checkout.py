"""A Checkout Session's life: open, then complete (paid, or to be paid in days), or expired."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sandbox.engine import discounts, mandate, payment, subscription
from sandbox.engine.instruments import Account, Decline, Instrument
from sandbox.engine.method import attach, new_customer, new_method
from sandbox.kernel.ids import new_id
from sandbox.kernel.metadata import merged
from sandbox.kernel.world import Doc, World, job

_LIFE: Final = 24 * 3600
_NAMES: Final = dict.fromkeys(("business_name", "individual_name"))


@dataclass(frozen=True, slots=True)
class Payer:
    """What somebody typed into the payment page; without an instrument, only who they are."""

    email: str | None
    name: str
    instrument: Instrument | None
    expiry: tuple[int, int] | None
    country: str
    postal_code: str | None = None
    line1: str | None = None

    @property
    def details(self) -> dict[str, Any]:
        """Who pays, as charges and sessions tell it."""
        address: dict[str, str | None] = dict.fromkeys(("city", "line2", "state"))
        address |= {"country": self.country, "line1": self.line1, "postal_code": self.postal_code}
        return {"address": address, "email": self.email, "name": self.name, "phone": None}


def open_session(
    world: World, given: Mapping[str, Any], items: list[dict[str, Any]], data: Mapping[str, Any]
) -> Doc:
    """Store a session and what it sells; `data` is for what the payment will create.

    Source: https://docs.stripe.com/payments/checkout/how-checkout-works
    """
    ident, expires_at = new_id("checkout.session"), given.get("expires_at", world.now + _LIFE)
    subscribing = given["mode"] == "subscription"
    texts = ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
    fields = {
        "id": ident,
        "custom_text": dict.fromkeys(texts),
        "customer_creation": None if subscribing or "customer" in given else "if_required",
        "expires_at": expires_at,
        "payment_method_collection": "always" if subscribing else "if_required",
        "payment_method_options": {},
        "status": "open",
        "ui_mode": "hosted_page",
        "url": f"{world.url}/c/pay/{ident}",
        **_totals(items),
        **given,
    }
    session = world.create("checkout.session", fields)
    for item in items:
        world.create("item", {**item, "metadata": {}}, parent=ident)
    kept = {**data, "metadata": merged({}, data.get("metadata", {}))}
    world.store.set_setting(ident, kept)
    world.schedule(expires_at, "checkout.session.due", ident)
    if given["mode"] == "setup":
        intent = _intent(world, session, session["customer"])
        session = world.change(session, {"setup_intent": intent["id"]})
    return session


def reduce(world: World, session: Doc, grants: Iterable[discounts.Grant]) -> Doc:
    """Take discounts off what an open session sells; they are used up when it completes.

    Source: https://docs.stripe.com/payments/checkout/discounts
    """
    before, grants = world.store.children(session["id"], "item"), list(grants)
    amounts = [item["amount_subtotal"] for item in before]
    each = discounts.off([grant.coupon for grant in grants], amounts)
    taken = [sum(parts) for parts in zip(*each, strict=True)]
    items = [
        world.change(item, {"amount_discount": off, "amount_total": item["amount_subtotal"] - off})
        for item, off in zip(before, taken, strict=True)
    ]
    told = [{"coupon": g.coupon["id"], "promotion_code": g.code and g.code["id"]} for g in grants]
    return world.change(session, {**_totals(items), "discounts": told})


def collects(session: Doc) -> bool:
    """Say whether the page asks how to pay: not if nothing is due and none is wanted for later.

    Source: https://docs.stripe.com/payments/checkout/free-trials
    """
    wanted = session["mode"] == "setup" or session["payment_method_collection"] == "always"
    return wanted or bool(session["amount_total"])


def pay(world: World, session: Doc, payer: Payer) -> tuple[Doc | None, Decline | None]:
    """Take the payment and complete the session; a refusal leaves it open.

    The intent is returned: if it `requires_action`, the cardholder is to follow its `next_action`.

    Source: https://docs.stripe.com/checkout/fulfillment
    """
    customer = session["customer"]
    accepted = payer.instrument is None or payer.instrument.now is None
    if session["mode"] == "subscription" and accepted and not customer:
        customer = _intended(world, session) or _new_customer(world, payer)
    method = method_by(world, payer)
    if method is None:
        _complete(world, session, {"customer": customer}, payer.details)
        return None, None
    intent = _intent(world, session, customer)
    intent, decline = payment.attempt(world, intent, method, present=True)
    if intent["status"] in {"succeeded", "processing"}:
        _complete(world, session, intent, payer.details)
    return intent, decline


def method_by(world: World, payer: Payer) -> Doc | None:
    """Store what somebody pays by, if anything; an account comes with a new mandate."""
    if payer.instrument is None:
        return None
    method = new_method(world, payer.instrument, payer.details, payer.expiry)
    if isinstance(payer.instrument, Account):
        mandate.grant(world, method)
    return method


def expire(world: World, session: Doc) -> Doc:
    """Close an open session unpaid, and the payment it had begun.

    Source: https://docs.stripe.com/api/checkout/sessions/expire
    """
    for intent in world.store.children(session["id"], "payment_intent"):
        payment.cancel(world, intent, reason="expired")
    fields = {"status": "expired", "url": None}
    return world.change(session, fields, event="checkout.session.expired")


@job("checkout.session.due")
def _look(world: World, ident: str) -> None:
    session = world.get("checkout.session", ident)
    if session["status"] == "open":
        expire(world, session)


@payment.on_settled
def _follow(world: World, intent: Doc) -> None:
    """Complete the session of a cardholder who had to authenticate; tell how a debit ended."""
    # Source: https://docs.stripe.com/checkout/fulfillment#delayed-notification
    session = world.store.owner(intent)
    if session.get("object") != "checkout.session":
        return
    succeeded = intent["status"] == "succeeded"
    if session["status"] == "open" and succeeded:
        method = world.get("payment_method", intent["payment_method"])
        _complete(world, session, intent, method["billing_details"])
    elif session["payment_status"] == "unpaid" and session["status"] == "complete":
        fields = {"payment_status": "paid"} if succeeded else {}
        how = "succeeded" if succeeded else "failed"
        world.change(session, fields, event=f"checkout.session.async_payment_{how}")


def _totals(items: list[dict[str, Any]]) -> dict[str, Any]:
    """Add up what the items cost, each with its own discount."""
    if not items:
        return {"payment_status": "no_payment_required"}
    sums = {
        name: sum(item[name] for item in items)
        for name in ("amount_subtotal", "amount_total", "amount_discount")
    }
    details = {"amount_discount": sums.pop("amount_discount"), "amount_shipping": 0}
    status = "unpaid" if sums["amount_total"] else "no_payment_required"
    details |= {"amount_tax": 0}
    return {"payment_status": status, "total_details": details, **sums}


def _granted(world: World, coupon: str, promotion_code: str | None) -> discounts.Grant:
    code = world.get("promotion_code", promotion_code) if promotion_code else None
    return discounts.Grant(world.get("coupon", coupon), code)


def _intended(world: World, session: Doc) -> str | None:
    """Return the customer an earlier try of this session has made."""
    kinds = ("payment_intent", "setup_intent")
    tried = [intent for kind in kinds for intent in world.store.children(session["id"], kind)]
    return tried[0]["customer"] if tried else None


def _new_customer(world: World, payer: Payer) -> str:
    told = ("address", "email", "name")
    ident: str = new_customer(world, {name: payer.details[name] for name in told})["id"]
    return ident


def _intent(world: World, session: Doc, customer: str | None) -> Doc:
    """Return the session's one intent: a second card is a second try of the same payment.

    What costs nothing today is set up: the `setup` mode, and a trial.
    """
    # Source: https://docs.stripe.com/payments/checkout/how-checkout-works
    kind = "payment_intent" if session["amount_total"] else "setup_intent"
    for intent in world.store.children(session["id"], kind):
        return world.change(intent, {"customer": customer})
    shared = {"customer": customer, "payment_method_types": session["payment_method_types"]}
    if kind == "setup_intent":
        kept = world.store.setting(session["id"], {}) if session["mode"] == "setup" else {}
        return payment.open_setup(world, kept | shared, parent=session["id"])
    terms = {"setup_future_usage": "off_session", "description": "Subscription creation"}
    if session["mode"] == "payment":
        terms = world.store.setting(session["id"], {})
    terms |= {"amount": session["amount_total"], "currency": session["currency"]}
    intent = payment.open_intent(world, terms | shared, parent=session["id"])
    if session["mode"] == "payment":
        session |= world.change(session, {"payment_intent": intent["id"]})
    return intent


def _complete(
    world: World, session: Doc, intent: Mapping[str, Any], told: Mapping[str, Any]
) -> None:
    """Make what the session was for; a debit is paid only in days."""
    # Source: https://docs.stripe.com/api/checkout/sessions/object
    customer = intent["customer"]
    if intent.get("setup_future_usage") and customer and intent["object"] == "payment_intent":
        attach(world, world.get("payment_method", intent["payment_method"]), customer)
    details = {name: told[name] for name in ("address", "email", "name", "phone")}
    fields: dict[str, Any] = {
        "collected_information": _NAMES | {"shipping_details": None},
        "customer": customer,
        "customer_details": details | _NAMES | {"tax_exempt": "none", "tax_ids": []},
        "status": "complete",
        "url": None,
    }
    if session["payment_status"] != "no_payment_required":
        fields["payment_status"] = "paid" if intent["status"] == "succeeded" else "unpaid"
    grants = [_granted(world, **each) for each in session["discounts"] or ()]
    if session["mode"] == "subscription":
        items = world.store.children(session["id"], "item")
        data = world.store.setting(session["id"], {})
        begun = subscription.start(world, items, intent, data, grants)
        fields |= {"subscription": begun["id"], "invoice": begun["latest_invoice"]}
    else:
        discounts.redeem(world, grants, customer=customer, checkout_session=session["id"])
    world.change(session, fields, event="checkout.session.completed")
