"""Subscriptions, as the API begins, changes, pauses, ends and lists them.

Source: https://docs.stripe.com/api/subscriptions
"""

from typing import Any, Final

from sandbox.engine import changes, discounts
from sandbox.engine import subscription as engine
from sandbox.engine.subscription import ENDED, items_of, period_ends
from sandbox.errors import invalid, lacking, not_simulated
from sandbox.kernel.calls import Call, Doc, World, operation
from sandbox.kernel.paging import PAGING, page

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


@operation(
    "POST",
    "/v1/subscriptions",
    f"{_FIELDS} {_ENDING} {_LINES} {_OFF} customer trial_end trial_period_days",
)
def create_subscription(world: World, call: Call) -> Doc:
    """Begin a subscription for a customer who has a payment method, or a trial."""
    call.need("items")
    customer = call.named(world, "customer")
    items = edited(world, None, call.params["items"])
    given = call.picked(_FIELDS) | {"customer": customer["id"]} | _trial(world, call)
    _check_method(world, given)
    asked, currency = call.params.get("discounts", ()), items[0]["price"]["currency"]
    grants = discounts.apply(world, asked, customer=customer["id"], currency=currency)
    made = changes.create(world, given, items, grants)
    fields = _ending(world, call, made)
    return world.change(made, fields, event="customer.subscription.updated") if fields else made


@operation(
    "POST",
    _PATH,
    f"{_FIELDS} {_ENDING} {_SAID} {_LINES} {_OFF} items.id items.deleted billing_cycle_anchor "
    "pause_collection proration_behavior proration_date trial_end",
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
        asked, customer = params["discounts"] or (), subscription["customer"]
        currency = subscription["currency"]
        grants = discounts.apply(world, asked, customer=customer, currency=currency)
        on = {"customer": customer, "subscription": subscription["id"]}
        fields["discounts"] = discounts.redeem(world, grants, **on)
    if fields.get("pause_collection"):
        fields["pause_collection"] = {"resumes_at": None} | fields["pause_collection"]
    anchor = params.get("billing_cycle_anchor", {}).get("type")
    return changes.change(
        world,
        subscription,
        fields,
        items=edited(world, subscription, params["items"]) if "items" in params else None,
        restart=anchor == "now" or params.get("trial_end") == "now",
        **proration_of(call),
    )


@operation("DELETE", _PATH, _SAID)
def cancel_subscription(world: World, call: Call) -> Doc:
    """End a subscription now."""
    subscription = world.get("subscription", call.id)
    if subscription["status"] in ENDED:
        message = f"No such subscription: '{call.id}'"
        raise invalid(message, code="resource_missing", param="id")
    return engine.end(world, subscription, reason="cancellation_requested", said=_said(call.params))


@operation("POST", "/v1/subscriptions/{subscription}/pause", "type")
def pause_subscription(world: World, call: Call) -> Doc:
    """Pause a subscription; what is left of the period is credited."""
    subscription = world.get("subscription", call.id)
    if subscription["status"] not in {"active", "past_due", "trialing", "unpaid"}:
        raise invalid(f"A subscription that is {subscription['status']} cannot be paused.")
    return changes.pause(world, subscription)


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


@operation("GET", "/v1/subscriptions", f"customer status test_clock {PAGING}")
def list_subscriptions(world: World, call: Call) -> Doc:
    """List subscriptions; those that have ended only if asked."""
    status, field = call.params.get("status"), "json_extract(doc, '$.status')"
    condition, values = f"{field} = ?", [status]
    if status in _STATUSES:
        condition, values = f"{field} {_STATUSES[status]}", []
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


def _ending(world: World, call: Call, subscription: Doc) -> dict[str, Any]:
    """Return the fields that say when a subscription ends, if ever."""
    # Source: https://docs.stripe.com/changelog/basil/2025-07-30/cancel-at-enums
    given = {"cancel_at", "cancel_at_period_end"} & call.params.keys()
    if not given:
        return {}
    if len(given) > 1:
        message = "You may only specify one of these: cancel_at, cancel_at_period_end."
        raise invalid(message, param="cancel_at")
    at, with_period = call.params.get("cancel_at"), call.params.get("cancel_at_period_end", False)
    if at and isinstance(at, str):
        raise not_simulated(f"cancel_at={at}", param="cancel_at")
    moment = max(period_ends(subscription)) if with_period else at or None
    if moment is not None and moment <= world.now:
        raise invalid("Invalid timestamp: cancel_at must be in the future.", param="cancel_at")
    reason = {"reason": "cancellation_requested" if moment else None}
    return {
        "cancel_at": moment,
        "cancel_at_period_end": with_period,
        "canceled_at": world.now if moment else None,
        "cancellation_details": subscription["cancellation_details"] | reason,
    }
