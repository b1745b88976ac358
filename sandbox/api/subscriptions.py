"""Subscriptions, as the API begins, changes, pauses, ends and lists them.

Source: https://docs.stripe.com/api/subscriptions
"""

from collections.abc import Callable
from typing import Any, Final

from sandbox.engine import changes, collection, discounts
from sandbox.engine import subscription as engine
from sandbox.engine.subscription import ENDED, items_of, period_ends
from sandbox.errors import invalid, lacking, not_simulated
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.paging import PAGING, page
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_PATH: Final = "/v1/subscriptions/{subscription_exposed_id}"
_FIELDS: Final = "default_payment_method description metadata trial_settings"
_ENDING: Final = "cancel_at cancel_at_period_end"
_SAID: Final = "cancellation_details.comment cancellation_details.feedback"
_LINES: Final = "items.price items.quantity items.metadata"
_OFF: Final = "discounts.coupon discounts.promotion_code"
_STATUSES: Final = {
    None: "NOT IN ('canceled', 'incomplete_expired')",
    "all": "<> ''",
    "ended": "IN ('canceled', 'incomplete_expired')",
}
_PAYMENTS: Final = {"allow_incomplete", "error_if_incomplete"}
_CREATES: Final = _PAYMENTS | {"default_incomplete"}


@operation(
    "POST",
    "/v1/subscriptions",
    f"{_FIELDS} {_ENDING} {_LINES} {_OFF} customer off_session payment_behavior trial_end "
    "trial_period_days billing_mode.type",
)
def create_subscription(world: World, call: Call) -> Doc:
    """Begin a subscription for a customer who has a payment method, or a trial."""
    call.need("customer", "items")
    customer = world.get("customer", call.params["customer"], param="customer", status=400)
    if call.params.get("billing_mode", {}).get("type") == "classic":
        raise not_simulated("classic billing mode", param="billing_mode[type]")
    behavior = _behavior(call, _CREATES)
    items = edited(world, None, call.params["items"])
    given = call.picked(_FIELDS) | {"customer": customer["id"]} | _trial(world, call)
    _check_method(world, given)
    amount = sum(each["price"]["unit_amount"] * each["quantity"] for each in items)
    grants = discounts.apply(
        world,
        call.params.get("discounts", ()),
        customer=customer["id"],
        amount=amount,
        currency=items[0]["price"]["currency"],
    )
    made = changes.create(world, given, items, grants, behavior)
    fields = _ending(world, call, made)
    return world.change(made, fields, event="customer.subscription.updated") if fields else made


@operation(
    "POST",
    _PATH,
    f"{_FIELDS} {_ENDING} {_SAID} {_LINES} {_OFF} items.id items.deleted billing_cycle_anchor "
    "off_session pause_collection payment_behavior proration_behavior proration_date trial_end",
)
def update_subscription(world: World, call: Call) -> Doc:
    """Change a subscription: what it is to, whether it ends, how it pays, what is said of it."""
    subscription, params = world.get("subscription", call.id), call.params
    told = {"metadata", "cancellation_details", "expand"}
    if subscription["status"] in ENDED and params.keys() - told:
        message = "A canceled subscription can only update its cancellation_details and metadata."
        raise invalid(message)
    fields = call.picked(f"{_FIELDS} pause_collection", subscription)
    _check_method(world, fields)
    fields |= _trial(world, call) | _ending(world, call, subscription)
    if "cancellation_details" in params:
        details = fields.get("cancellation_details") or subscription["cancellation_details"]
        fields["cancellation_details"] = details | _said(params)
    if "discounts" in params:
        fields["discounts"] = _discounted(world, subscription, params["discounts"])
    if fields.get("pause_collection"):
        fields["pause_collection"] = {"resumes_at": None} | fields["pause_collection"]
    anchor = params.get("billing_cycle_anchor", {}).get("type")
    return changes.change(
        world,
        subscription,
        fields,
        items=edited(world, subscription, params["items"]) if "items" in params else None,
        restart=anchor == "now" or params.get("trial_end") == "now",
        behavior=_behavior(call, _PAYMENTS),
        **proration_of(call),
    )


@operation("DELETE", _PATH, f"{_SAID} invoice_now prorate")
def cancel_subscription(world: World, call: Call) -> Doc:
    """End a subscription now."""
    subscription, params = world.get("subscription", call.id), call.params
    if subscription["status"] in ENDED:
        message = f"No such subscription: '{call.id}'"
        raise invalid(message, code="resource_missing", param="id")
    ended = engine.end(
        world,
        subscription,
        reason="cancellation_requested",
        prorate=params.get("prorate", False),
        invoice_now=params.get("invoice_now", False),
        said=_said(params),
    )
    if params.get("invoice_now") and ended["latest_invoice"] != subscription["latest_invoice"]:
        collection.bill_now(world, world.get("invoice", ended["latest_invoice"]))
    return ended


@operation(
    "POST",
    "/v1/subscriptions/{subscription}/pause",
    "type invoicing_behavior bill_for.unused_time_from bill_for.outstanding_usage_through",
)
def pause_subscription(world: World, call: Call) -> Doc:
    """Pause a subscription; what is left of the period is credited unless one says otherwise."""
    subscription = world.get("subscription", call.id)
    if subscription["status"] not in {"active", "past_due", "trialing", "unpaid"}:
        raise invalid(f"A subscription that is {subscription['status']} cannot be paused.")
    unused = call.params.get("bill_for", {}).get("unused_time_from", {"type": "now"})
    invoicing = call.params.get("invoicing_behavior", "pending_invoice_item")
    return changes.pause(world, subscription, unused_from=unused["type"], invoicing=invoicing)


@operation(
    "POST",
    "/v1/subscriptions/{subscription}/resume",
    "billing_cycle_anchor payment_behavior proration_behavior proration_date",
)
def resume_subscription(world: World, call: Call) -> Doc:
    """Resume a paused subscription."""
    subscription = world.get("subscription", call.id)
    if subscription["status"] != "paused":
        raise invalid("Only subscriptions with a status of `paused` can be resumed.")
    anchor = call.params.get("billing_cycle_anchor", {"type": "now"})
    behavior = call.params.get("payment_behavior", "resume_on_payment_attempt")
    return changes.resume(
        world,
        subscription,
        restart=anchor["type"] == "now",
        payment_behavior=behavior,
        **proration_of(call),
    )


@operation("GET", "/v1/subscriptions", f"customer price status test_clock {PAGING}")
def list_subscriptions(world: World, call: Call) -> Doc:
    """List subscriptions; those that have ended only if asked."""
    status, field = call.params.get("status"), "json_extract(doc, '$.status')"
    condition, values = f"{field} = ?", [status]
    if status in _STATUSES:
        condition, values = f"{field} {_STATUSES[status]}", []
    if "price" in call.params:
        prices = "SELECT json_extract(value, '$.price.id') FROM json_each(doc, '$.items.data')"
        condition, values = f"{condition} AND ? IN ({prices})", [*values, call.params["price"]]
    return page(world, call, "subscription", "customer test_clock", and_=(condition, *values))


def edited(world: World, subscription: Doc | None, wanted: list[dict[str, Any]]) -> list[Doc]:
    """Return the items a subscription is to have: as they are, with those of a call put in.

    Raises:
        StripeError: a price that cannot be subscribed to, or twice the same, or nothing left.

    Source: https://docs.stripe.com/billing/subscriptions/multiple-products
    """
    items = {item["id"]: item for item in items_of(subscription)} if subscription else {}
    for n, each in enumerate(wanted):
        param, ident = f"items[{n}]", each.get("id")
        if ident is not None and ident not in items:
            raise invalid(f"No such subscription item: '{ident}'", param=f"{param}[id]")
        if each.get("deleted"):
            del items[ident or ""]
            continue
        if ident is None and "price" not in each:
            raise lacking(f"{param}[price]")
        changed: Doc = {name: each[name] for name in ("quantity", "metadata") if name in each}
        if "price" in each:
            changed["price"] = _subscribable(world, each["price"], f"{param}[price]")
        items[ident or f"new {n}"] = _item(world, subscription, items.get(ident or ""), changed)
    _check_items(list(items.values()))
    return list(items.values())


def proration_of(call: Call) -> dict[str, Any]:
    """Return how a call wants its change prorated, and from when."""
    return {
        "prorate": call.params.get("proration_behavior", "create_prorations"),
        "moment": call.params.get("proration_date"),
    }


def _item(world: World, subscription: Doc | None, before: Doc | None, given: Doc) -> Doc:
    if before is not None:
        plan = {"plan": engine.plan_of(given["price"])} if "price" in given else {}
        return before | given | plan
    given = {"quantity": 1, "metadata": {}} | given
    if subscription is None:
        return given
    return engine.new_item(
        subscription["id"], given, subscription["billing_cycle_anchor"], world.now
    )


def _subscribable(world: World, ident: str, param: str) -> Doc:
    price = world.get("price", ident, param=param, status=400)
    if not price["active"]:
        message = "The price specified is inactive. This field only accepts active prices."
        raise invalid(message, param=param)
    if price["recurring"] is None:
        message = (
            "The price specified is set to `type=one_time`: only recurring prices are accepted."
        )
        raise invalid(message, param=param)
    return price


def _check_items(items: list[Doc]) -> None:
    prices = [item["price"] for item in items]
    if not items:
        raise invalid("A subscription must have at least one active plan.", param="items")
    if len({price["currency"] for price in prices}) > 1:
        raise invalid("All prices on a subscription must have the same currency.", param="items")
    if len({price["id"] for price in prices}) < len(prices):
        raise invalid("Cannot add multiple subscription items with the same plan.", param="items")


def _check_method(world: World, fields: Doc) -> None:
    if ident := fields.get("default_payment_method"):
        world.get("payment_method", ident, param="default_payment_method", status=400)


def _behavior(call: Call, simulated: set[str]) -> str:
    behavior: str = call.params.get("payment_behavior", "allow_incomplete")
    if behavior not in simulated:
        raise not_simulated(f"payment_behavior={behavior}", param="payment_behavior")
    return behavior


def _trial(world: World, call: Call) -> dict[str, Any]:
    """Return the fields of a trial; its end may be `now`."""
    days, ends = call.params.get("trial_period_days"), call.params.get("trial_end")
    if days is not None and ends is not None:
        raise invalid("You may only specify one of these: trial_end, trial_period_days.")
    if ends == "now":
        return {"trial_end": world.now, "status": "active"} if call.ids else {}
    if ends is not None and ends <= world.now:
        raise invalid("Invalid timestamp: trial_end must be in the future.", param="trial_end")
    ends = ends or (world.now + days * 24 * 3600 if days else None)
    return {"trial_end": ends} if ends else {}


def _said(params: Any) -> dict[str, Any]:
    given = params.get("cancellation_details", {})
    return {name: value or None for name, value in given.items()}


def _discounted(world: World, subscription: Doc, given: Any) -> list[str]:
    """Return the discounts that take the place of those there were; "" is none."""
    customer, items = subscription["customer"], items_of(subscription)
    amount = sum(item["price"]["unit_amount"] * item["quantity"] for item in items)
    currency = subscription["currency"]
    grants = discounts.apply(
        world, given or (), customer=customer, amount=amount, currency=currency
    )
    return discounts.redeem(world, grants, customer=customer, subscription=subscription["id"])


def _ending(world: World, call: Call, subscription: Doc) -> dict[str, Any]:
    """Return the fields that say when a subscription ends, if ever.

    In flexible mode a date may be named by the period it ends with; it is resolved at once.

    Source: https://docs.stripe.com/changelog/basil/2025-07-30/cancel-at-enums
    """
    if not {"cancel_at", "cancel_at_period_end"} & call.params.keys():
        return {}
    if {"cancel_at", "cancel_at_period_end"} <= call.params.keys():
        message = "You may only specify one of these: cancel_at, cancel_at_period_end."
        raise invalid(message, param="cancel_at")
    at, with_period = call.params.get("cancel_at"), call.params.get("cancel_at_period_end", False)
    ends: dict[Any, Callable[[list[int]], int]] = {"min_period_end": min, "max_period_end": max}
    if at == "max_billed_until":
        raise not_simulated("cancel_at=max_billed_until", param="cancel_at")
    moment = ends[at](period_ends(subscription)) if at in ends else at or None
    moment = max(period_ends(subscription)) if with_period else moment
    if moment is not None and moment <= world.now:
        raise invalid("Invalid timestamp: cancel_at must be in the future.", param="cancel_at")
    reason = {"reason": "cancellation_requested" if moment else None}
    return {
        "cancel_at": moment,
        "cancel_at_period_end": with_period,
        "canceled_at": world.now if moment else None,
        "cancellation_details": subscription["cancellation_details"] | reason,
    }
