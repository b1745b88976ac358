"""What is asked of both Stripes: small stories by the official SDK, each cleaning up after itself.

A scenario notes what it is answered under a name; only the shapes of the notes are compared.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

Note = Callable[[str, Any], Any]
Scenario = Callable[[Any, Note], None]

_CLOCK_DAY: Final = 24 * 3600
_PATIENCE: Final = 30  # seconds


def product_and_price(api: Any, note: Note) -> None:
    """Make, change, list and archive what is sold."""
    product = note("product", api.products.create({"name": "Contract run"}))
    price = note("price", _price(api, product.id))
    note("price changed", api.prices.update(price.id, {"nickname": "Monthly"}))
    note("prices listed", api.prices.list({"product": product.id}))
    note("product archived", api.products.update(product.id, {"active": False}))


def customer(api: Any, note: Note) -> None:
    """Make, change and delete a customer."""
    made = note("customer", api.customers.create({"email": "ada@example.org", "name": "Ada"}))
    note("changed", api.customers.update(made.id, {"metadata": {"a": "1"}}))
    note("deleted", api.customers.delete(made.id))
    note("read when deleted", api.customers.retrieve(made.id))


def checkout_payment(api: Any, note: Note) -> None:
    """Open and expire a page for one payment."""
    price = {"currency": "gbp", "unit_amount": 2500, "product_data": {"name": "Contract run"}}
    params = {"mode": "payment", "line_items": [{"price_data": price, "quantity": 1}]}
    session = note("session", api.checkout.sessions.create(params | _PAGES))
    note("line items", api.checkout.sessions.line_items.list(session.id))
    note("expired", api.checkout.sessions.expire(session.id))


def checkout_subscription(api: Any, note: Note) -> None:
    """Open and expire a page for a subscription."""
    product = api.products.create({"name": "Contract run"})
    line = {"price": _price(api, product.id).id, "quantity": 1}
    params = {"mode": "subscription", "line_items": [line]}
    session = note("session", api.checkout.sessions.create(params | _PAGES))
    note("expired", api.checkout.sessions.expire(session.id))
    api.products.update(product.id, {"active": False})


def checkout_setup(api: Any, note: Note) -> None:
    """Open and expire a page for another means of payment."""
    payer = api.customers.create({"name": "Ada"})
    params = {"mode": "setup", "currency": "gbp", "customer": payer.id}
    session = note("session", api.checkout.sessions.create(params | _PAGES))
    note("setup intent", api.setup_intents.retrieve(session.setup_intent))
    note("expired", api.checkout.sessions.expire(session.id))
    api.customers.delete(payer.id)


def subscription(api: Any, note: Note) -> None:
    """Subscribe by card, look at every object that comes of it, preview, and cancel twice."""
    payer, product, made = _subscribed(api, note)
    note("subscription", made)
    note("item", made["items"].data[0])
    bill = note("invoice", api.invoices.retrieve(made.latest_invoice))
    paid = note("invoice payment", api.invoice_payments.list({"invoice": bill.id}).data[0])
    intent = api.payment_intents.retrieve(
        paid.payment.payment_intent, {"expand": ["latest_charge.balance_transaction"]}
    )
    charge = intent.latest_charge
    note("balance transaction", charge.balance_transaction)
    note("charge", api.charges.retrieve(charge.id))
    note("payment intent", api.payment_intents.retrieve(intent.id))
    note("preview", api.invoices.create_preview({"subscription": made.id}))
    day = made["items"].data[0].current_period_end - 24 * 3600
    for name, ending in (
        ("ending on a day", {"cancel_at": day}),
        ("kept by the other word", {"cancel_at_period_end": False}),
        ("kept", {"cancel_at": ""}),
        ("ending", {"cancel_at_period_end": True}),
    ):
        note(name, api.subscriptions.update(made.id, ending))
    note("ended", api.subscriptions.cancel(made.id))
    _clean(api, payer, product)


def trial(api: Any, note: Note) -> None:
    """Subscribe with a week for nothing, and end that week at once."""
    payer, product, made = _subscribed(api, note, trial_period_days=7)
    note("on trial", made)
    note("invoice of the trial", api.invoices.retrieve(made.latest_invoice))
    paying = note("trial over", api.subscriptions.update(made.id, {"trial_end": "now"}))
    note("first invoice", api.invoices.retrieve(paying.latest_invoice))
    api.subscriptions.cancel(made.id)
    _clean(api, payer, product)


def pauses(api: Any, note: Note) -> None:
    """Pause a subscription and resume it, then only what is collected for it."""
    payer, product, made = _subscribed(api, note)
    note("paused", api.subscriptions.pause(made.id, {"type": "subscription"}))
    for waiting in _waiting(api, payer):
        note("credited", waiting)
    resumed = note("resumed", api.subscriptions.resume(made.id))
    note("invoice of the resumption", api.invoices.retrieve(resumed.latest_invoice))
    for name, pause in (("not collected", {"behavior": "void"}), ("collected again", "")):
        note(name, api.subscriptions.update(made.id, {"pause_collection": pause}))
    api.subscriptions.cancel(made.id)
    _clean(api, payer, product)


def price_change(api: Any, note: Note) -> None:
    """Change what is subscribed to: prorated on the next invoice, then on one of its own."""
    payer, product, made = _subscribed(api, note)
    item = made["items"].data[0].id
    dearer = {"items": [{"id": item, "price": _price(api, product.id, 1000).id}]}
    asked = {"subscription": made.id, "subscription_details": dearer}
    note("preview", api.invoices.create_preview(asked))
    later = dearer | {"proration_behavior": "create_prorations"}
    note("changed", api.subscriptions.update(made.id, later))
    for name, waiting in zip(("credited", "debited"), _waiting(api, payer), strict=False):
        note(name, waiting)
    now = {"items": [{"id": item, "quantity": 2}], "proration_behavior": "always_invoice"}
    billed = note("changed and billed", api.subscriptions.update(made.id, now))
    note("invoice of the change", api.invoices.retrieve(billed.latest_invoice))
    api.subscriptions.cancel(made.id)
    _clean(api, payer, product)


def failing_payment(api: Any, note: Note) -> None:
    """Subscribe with a card that is declined, look at what is left, and pay by another."""
    payer, product, made = _subscribed(api, note, "pm_card_chargeCustomerFail")
    note("incomplete", made)
    bill = note("unpaid", api.invoices.retrieve(made.latest_invoice))
    asked = note("not paid with", api.invoice_payments.list({"invoice": bill.id}).data[0])
    intent = note("declined", api.payment_intents.retrieve(asked.payment.payment_intent))
    note("failed charge", api.charges.retrieve(intent.latest_charge))
    card = api.payment_methods.attach("pm_card_visa", {"customer": payer.id})
    note("paid after all", api.invoices.pay(bill.id, {"payment_method": card.id}))
    note("active after all", api.subscriptions.retrieve(made.id))
    api.subscriptions.cancel(made.id)
    _clean(api, payer, product)


def dispute(api: Any, note: Note) -> None:
    """Pay by a card whose holder disputes it at once; the dispute is left to itself."""
    payer, product, made = _subscribed(api, note, "pm_card_createDispute")
    paid = api.invoice_payments.list({"invoice": made.latest_invoice}).data[0]
    link = {"payment_intent": paid.payment.payment_intent}
    for opened in _awaited(lambda: api.disputes.list(link).data):
        note("dispute", api.disputes.retrieve(opened.id))
        note("charge", api.charges.retrieve(opened.charge))
    api.subscriptions.cancel(made.id)
    _clean(api, payer, product)


def refund(api: Any, note: Note) -> None:
    """Refund a part of a payment, and note something on it."""
    payer, product, made = _subscribed(api, note)
    paid = api.invoice_payments.list({"invoice": made.latest_invoice}).data[0]
    given = {"payment_intent": paid.payment.payment_intent, "amount": 100}
    back = note("refund", api.refunds.create(given))
    note("noted on", api.refunds.update(back.id, {"metadata": {"why": "contract run"}}))
    note("charge", api.charges.retrieve(back.charge))
    note("listed", api.refunds.list({"charge": back.charge}))
    api.subscriptions.cancel(made.id)
    _clean(api, payer, product)


def invoices(api: Any, note: Note) -> None:
    """Bill by hand: one invoice is paid, one paid elsewhere, and another voided."""
    payer = _payer(api, note)
    for name in ("paid", "paid elsewhere", "void"):
        draft = note(f"draft to be {name}", api.invoices.create({"customer": payer.id}))
        item = {"customer": payer.id, "invoice": draft.id, "amount": 500, "currency": "gbp"}
        note(f"item to be {name}", api.invoice_items.create(item))
        bill = note(f"open to be {name}", api.invoices.finalize_invoice(draft.id))
        act = api.invoices.void_invoice if name == "void" else api.invoices.pay
        note(name, act(bill.id, {"paid_out_of_band": True} if "elsewhere" in name else {}))
    api.customers.delete(payer.id)


def coupon(api: Any, note: Note) -> None:
    """Make a coupon and a code for it."""
    made = note("coupon", api.coupons.create({"percent_off": 25, "duration": "once"}))
    promotion = {"type": "coupon", "coupon": made.id}
    code = note("code", api.promotion_codes.create({"promotion": promotion}))
    note("code ended", api.promotion_codes.update(code.id, {"active": False}))
    note("coupon deleted", api.coupons.delete(made.id))


def portal(api: Any, note: Note) -> None:
    """Configure and open the customer portal."""
    features = {"invoice_history": {"enabled": True}, "payment_method_update": {"enabled": True}}
    made = note("configuration", api.billing_portal.configurations.create({"features": features}))
    payer = api.customers.create({"name": "Ada"})
    opening = {"customer": payer.id, "configuration": made.id, "return_url": _PAGES["success_url"]}
    note("session", api.billing_portal.sessions.create(opening))
    api.billing_portal.configurations.update(made.id, {"active": False})
    api.customers.delete(payer.id)


def test_clock(api: Any, note: Note) -> None:
    """Make a clock, move it a day, and delete it."""
    clocks, begun = api.test_helpers.test_clocks, int(time.time())
    clock = note("clock", clocks.create({"frozen_time": begun}))
    note("advancing", clocks.advance(clock.id, {"frozen_time": begun + _CLOCK_DAY}))
    for _ in range(_PATIENCE):
        if clocks.retrieve(clock.id).status != "advancing":
            break
        time.sleep(1)
    note("ready", clocks.retrieve(clock.id))
    note("deleted", clocks.delete(clock.id))


def events(api: Any, note: Note) -> None:
    """Read in the list of events what became of a customer."""
    made = api.customers.create({"email": "ada@example.org"})
    api.customers.update(made.id, {"email": "ada.l@example.org"})
    for kind in ("customer.created", "customer.updated"):
        for told in _awaited(partial(_told, api, kind, made.id)):
            note(kind, told)
    api.customers.delete(made.id)


def account(api: Any, note: Note) -> None:
    """Read what is held, and what moved it."""
    note("balance", api.balance.retrieve())
    note("payouts", api.payouts.list({"limit": 1}))
    note("disputes", api.disputes.list({"limit": 1}))
    hook = {"url": "https://example.org/contract-run", "enabled_events": ["charge.failed"]}
    made = note("endpoint", api.webhook_endpoints.create(hook))
    note("endpoint deleted", api.webhook_endpoints.delete(made.id))


SCENARIOS: Final[tuple[Scenario, ...]] = (
    product_and_price, customer, checkout_payment, checkout_subscription, checkout_setup,
    subscription, trial, pauses, price_change, failing_payment, dispute, refund, invoices, coupon,
    portal, test_clock, events, account,
)  # fmt: skip

_PAGES: Final = {
    "success_url": "https://example.org/thanks?session={CHECKOUT_SESSION_ID}",
    "cancel_url": "https://example.org/support",
}


def _price(api: Any, product: str, amount: int = 500) -> Any:
    terms = {"currency": "gbp", "unit_amount": amount, "recurring": {"interval": "month"}}
    return api.prices.create(terms | {"product": product})


def _payer(api: Any, note: Note, card: str = "pm_card_visa") -> Any:
    made = api.customers.create({"email": "ada@example.org", "name": "Ada"})
    kept = note("card", api.payment_methods.attach(card, {"customer": made.id}))
    default = {"invoice_settings": {"default_payment_method": kept.id}}
    return api.customers.update(made.id, default)


def _subscribed(
    api: Any, note: Note, card: str = "pm_card_visa", **more: Any
) -> tuple[Any, Any, Any]:
    payer, product = _payer(api, note, card), api.products.create({"name": "Contract run"})
    given = {"customer": payer.id, "items": [{"price": _price(api, product.id).id}]}
    return payer, product, api.subscriptions.create(given | more)


def _waiting(api: Any, payer: Any) -> list[Any]:
    """Return what waits for the next invoice, credits first."""
    found = api.invoice_items.list({"customer": payer.id, "pending": True}).data
    return sorted(found, key=lambda item: item.amount)


def _told(api: Any, kind: str, ident: str) -> list[Any]:
    listed = api.events.list({"type": kind}).data
    return [event for event in listed if event.data.object["id"] == ident]


def _awaited(find: Callable[[], list[Any]]) -> list[Any]:
    """Return what Stripe shows only a moment later, or nothing if it does not."""
    for _ in range(_PATIENCE):
        if found := find():
            return found
        time.sleep(1)
    return []


def _clean(api: Any, payer: Any, product: Any) -> None:
    api.customers.delete(payer.id)
    api.products.update(product.id, {"active": False})
