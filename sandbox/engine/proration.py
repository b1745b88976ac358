"""Proration by the second: what was debited for time that will not be used, and what is now owed.

Always true: a credit never exceeds what is left of the debit it refers to.

Source: https://docs.stripe.com/billing/subscriptions/prorations
"""

from collections.abc import Iterable
from typing import Any

from sandbox.engine import discounts, lines
from sandbox.engine.periods import period_around, share
from sandbox.kernel.world import Doc, World

_ITEM = "parent.subscription_item_details.subscription_item"
_WAITING = "parent.subscription_details.subscription_item"


def credit(world: World, subscription: Doc, items: Iterable[Doc], moment: int) -> None:
    """Credit the time after `moment` that was debited for these items, one credit for each debit.

    In flexible mode it is the debit that counts, less its discount, not the present price.

    Source: https://docs.stripe.com/billing/subscriptions/prorations#credit-prorations
    """
    for item in items:
        debits, credited = _debited(world, item)
        for each in debits:
            begins, ends = each["period"]["start"], each["period"]["end"]
            # What has been credited once is credited to the end of its period.
            until = min((credited[name] for name in _names(each) & credited.keys()), default=ends)
            left = share(each["amount"], max(0, until - max(begins, moment)), max(1, ends - begins))
            if left:
                text = f"Unused time on {each['description']} after {lines.day(moment)}"
                about: Doc = {"credited_items": _reference(each), "discount_amounts": []}
                _add(world, subscription, item, -left, text, (moment, ends), about)


def debit(world: World, subscription: Doc, items: Iterable[Doc], moment: int) -> None:
    """Debit the time from `moment` to the end of each item's period, less the present discounts."""
    running = discounts.running(world, subscription["discounts"])
    for item in items:
        price, quantity, end = item["price"], item["quantity"], item["current_period_end"]
        start, _ = period_around(subscription["billing_cycle_anchor"], end - 1, price["recurring"])
        full = price["unit_amount"] * quantity
        taken = discounts.off(discounts.coupons(world, running), [full])
        amount = share(full - sum(map(sum, taken)), end - moment, end - start)
        product = world.get("product", price["product"])["name"]
        name = product if quantity == 1 else f"{quantity} × {product}"  # noqa: RUF001
        text = f"Remaining time on {name} after {lines.day(moment)}"
        about: Doc = {"credited_items": None, "discount_amounts": []}
        _add(world, subscription, item, amount, text, (moment, end), about)


def _debited(world: World, item: Doc) -> tuple[list[Doc], dict[str, int]]:
    """Return what an item was debited, less discounts; and from when which of it was credited.

    Both may be on invoices that count, or still wait for one.
    """
    found = [
        line | {"amount": line["amount"] - sum(off["amount"] for off in line["discount_amounts"])}
        for line in world.store.find("line_item", {_ITEM: item["id"]}, newest_first=False)
        if world.get("invoice", line["invoice"])["status"] != "void"
    ]
    items = world.store.find("invoiceitem", {_WAITING: item["id"]}, newest_first=False)
    found += [each for each in items if each["invoice"] is None]
    counted = set().union(*map(_names, found))
    credited = {
        name: each["period"]["start"]
        for each in items
        if each["id"] in counted
        for name in _credited(each["proration_details"]["credited_items"] or {})
    }
    return [each for each in found if each["amount"] > 0], credited


def _names(debit_: Doc) -> set[str]:
    """Return the names a credit may refer to: the line's, and that of the item it was before."""
    details = (debit_["parent"] or {}).get("subscription_item_details") or {}
    return {debit_["id"], details.get("invoice_item") or debit_["id"]}


def _credited(reference: dict[str, Any]) -> list[str]:
    named = reference.get("invoice_line_item_details") or {"invoice_line_items": []}
    return [*filter(None, [reference.get("invoice_item")]), *named["invoice_line_items"]]


def _reference(debit_: Doc) -> dict[str, Any]:
    if debit_["object"] == "invoiceitem":
        return {"type": "invoice_item", "invoice_item": debit_["id"]}
    listed = {"invoice": debit_["invoice"], "invoice_line_items": [debit_["id"]]}
    return {"type": "invoice_line_items", "invoice_line_item_details": listed}


def _add(
    world: World,
    subscription: Doc,
    item: Doc,
    amount: int,
    text: str,
    period: tuple[int, int],
    about: dict[str, Any],
) -> None:
    customer = world.get("customer", subscription["customer"])
    linked = {"subscription": subscription["id"], "subscription_item": item["id"]}
    fields = {
        "amount": amount,
        "currency": subscription["currency"],
        "description": text,
        "discountable": False,
        "parent": {"type": "subscription_details", "subscription_details": linked},
        "period": {"start": period[0], "end": period[1]},
        "pricing": lines.priced(item["price"]),
        "proration": True,
        "proration_details": about,
        "quantity": item["quantity"],
    }
    lines.add_item(world, customer, fields)
