"""What an invoice is made of: its lines, and the invoice items that wait for the next one.

Always true: a line is stored beside its invoice, which shows the first ten.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sandbox.kernel.ids import new_id
from sandbox.kernel.paging import as_list
from sandbox.kernel.world import Doc, World

_ITEM: Final = "subscription_item_details"
_INVOICE_ITEM: Final = "invoice_item_details"
_SHOWN: Final = 10
_PRORATION: Final = {"credited_items": None}


def of_item(world: World, subscription: Doc, item: Doc, *, free: bool = False) -> Doc:
    """Return the line for the current period of a subscription's item; a trial is `free`."""
    price, quantity = item["price"], item["quantity"]
    amount = 0 if free else price["unit_amount"] * quantity
    details = {
        "invoice_item": None,
        "proration": False,
        "proration_details": _PRORATION,
        "subscription": subscription["id"],
        "subscription_item": item["id"],
    }
    product = world.get("product", price["product"])["name"]
    return {
        "amount": amount,
        "currency": price["currency"],
        "description": f"Trial period for {product}" if free else f"{quantity} × {product}",  # noqa: RUF001 - as Stripe writes it
        "discountable": True,
        "metadata": subscription["metadata"],
        "parent": {"type": _ITEM, _ITEM: details, _INVOICE_ITEM: None},
        "period": {"start": item["current_period_start"], "end": item["current_period_end"]},
        "pricing": priced(price),
        "quantity": quantity,
        "subscription": subscription["id"],
    }


def of_invoice_item(waiting: Doc) -> Doc:
    """Return the line that an invoice item becomes."""
    parent = (waiting["parent"] or {}).get("subscription_details") or {}
    subscription, item = parent.get("subscription"), parent.get("subscription_item")
    credited = (waiting["proration_details"]["credited_items"] or {}).get(
        "invoice_line_item_details"
    )
    details = {
        "invoice_item": waiting["id"],
        "proration": waiting["proration"],
        "proration_details": {"credited_items": credited},
        "subscription": subscription,
    }
    kind = _ITEM if item else _INVOICE_ITEM
    both: Doc = {_ITEM: None, _INVOICE_ITEM: None}
    both[kind] = details | ({"subscription_item": item} if item else {})
    same = "amount currency description discountable metadata period pricing quantity"
    return {name: waiting[name] for name in same.split()} | {
        "parent": {"type": kind, **both},
        "subscription": subscription,
    }


def priced(price: Doc) -> dict[str, Any]:
    """Return how a line names its price."""
    return {
        "type": "price_details",
        "price_details": {"price": price["id"], "product": price["product"]},
        "unit_amount_decimal": price["unit_amount_decimal"],
    }


def add_item(world: World, customer: Doc, given: Mapping[str, Any]) -> Doc:
    """Create an invoice item, which waits for an invoice unless it is `given` one.

    Source: https://docs.stripe.com/api/invoiceitems/object
    """
    quantity = given.get("quantity", 1)
    fields = {
        "customer": customer["id"],
        "date": world.now,
        "discountable": True,
        "net_amount": given["amount"],
        "period": {"start": world.now, "end": world.now},
        "proration": False,
        "proration_details": _PRORATION | {"discount_amounts": []},
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "test_clock": customer["test_clock"],
        **given,
    }
    return world.create("invoiceitem", fields, event="invoiceitem.created")


def waiting(world: World, customer: str, subscription: str | None) -> list[Doc]:
    """Return the customer's invoice items that are for this subscription's next invoice, or any.

    Source: https://docs.stripe.com/billing/invoices/subscription#adding-upcoming-invoice-items
    """
    field = "json_extract(doc, '$.parent.subscription_details.subscription')"
    clauses: list[tuple[Any, ...]] = [("json_extract(doc, '$.invoice') IS NULL",)]
    clauses += [(f"({field} IS NULL OR {field} = ?)", subscription)]
    return world.store.find("invoiceitem", {"customer": customer}, clauses=clauses)[::-1]


def take(world: World, invoice: str, waiting: Iterable[Doc]) -> list[Doc]:
    """Put invoice items on an invoice and return their lines.

    Source: https://docs.stripe.com/api/invoiceitems/object
    """
    return [of_invoice_item(world.change(each, {"invoice": invoice})) for each in waiting]


def keep(world: World, invoice: str, lines: Iterable[Doc]) -> None:
    """Store the lines of an invoice."""
    for line in lines:
        empty = ("discount_amounts", "discounts", "pretax_credit_amounts", "taxes")
        fields: Doc = {name: [] for name in empty}
        fields |= {"id": new_id("line_item"), "invoice": invoice, "subtotal": line["amount"]}
        fields |= {"quantity_decimal": str(line["quantity"])}
        world.create("line_item", line | fields, parent=invoice)


def shown(invoice: str, lines: list[Doc]) -> Doc:
    """Return the page of lines an invoice shows of itself."""
    url = f"/v1/invoices/{invoice}/lines"
    return as_list(lines[:_SHOWN], url=url, has_more=len(lines) > _SHOWN)


def day(moment: int) -> str:
    """Write a day as Stripe's descriptions do."""
    return datetime.fromtimestamp(moment, UTC).strftime("%d %b %Y")
