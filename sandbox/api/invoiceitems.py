"""Invoice items: amounts that wait for a customer's next invoice.

Source: https://docs.stripe.com/api/invoiceitems
"""

from typing import Any, Final

from sandbox.engine import invoice, lines
from sandbox.errors import invalid, lacking
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.paging import PAGING, page
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_PLAIN: Final = "description discountable metadata period quantity"


@operation(
    "POST",
    "/v1/invoiceitems",
    f"{_PLAIN} amount currency customer invoice pricing.price subscription",
)
def create_item(world: World, call: Call) -> Doc:
    """Add an amount, or a one-time price, to a draft, or to the next invoice there will be."""
    params = call.params
    draft = _draft(world, params["invoice"]) if "invoice" in params else None
    if draft is None:
        call.need("customer")
    ident = params.get("customer") or (draft or {})["customer"]
    customer = world.get("customer", ident, param="customer", status=400)
    given = call.picked(_PLAIN) | _amount(world, call)
    if "subscription" in params:
        of = world.get("subscription", params["subscription"], param="subscription", status=400)
        link = {"subscription": of["id"], "subscription_item": None}
        given["parent"] = {"type": "subscription_details", "subscription_details": link}
    made = lines.add_item(world, customer, given)
    if draft is not None:
        lines.keep(world, draft["id"], lines.take(world, draft["id"], [made]))
        invoice.reckon(world, draft, event="invoice.updated")
    return world.get("invoiceitem", made["id"])


@operation("DELETE", "/v1/invoiceitems/{invoiceitem}")
def delete_item(world: World, call: Call) -> Doc:
    """Delete an invoice item that is on no invoice, or on a draft."""
    item = world.get("invoiceitem", call.id)
    if item["invoice"] is not None:
        draft = _draft(world, item["invoice"])
        for line in world.store.children(draft["id"], "line_item"):
            details = line["parent"][line["parent"]["type"]]
            if details["invoice_item"] == item["id"]:
                world.delete(line)
        invoice.reckon(world, draft, event="invoice.updated")
    return world.delete(item, event="invoiceitem.deleted")


@operation("GET", "/v1/invoiceitems", f"customer invoice pending {PAGING}")
def list_items(world: World, call: Call) -> Doc:
    """List invoice items; `pending` ones are on no invoice yet."""
    pending = call.params.get("pending")
    condition = f"json_extract(doc, '$.invoice') IS {'' if pending else 'NOT '}NULL"
    and_ = () if pending is None else (condition,)
    return page(world, call, "invoiceitem", "customer invoice", and_=and_)


def _draft(world: World, ident: str) -> Doc:
    draft = world.get("invoice", ident, param="invoice", status=400)
    if draft["status"] != "draft":
        message = "Items can only be changed on an invoice that is a draft."
        raise invalid(message, param="invoice", code="invoice_not_editable")
    return draft


def _amount(world: World, call: Call) -> dict[str, Any]:
    """Return amount, currency and price: either an amount is given, or a price."""
    params = call.params
    if "pricing" in params:
        price = world.get("price", params["pricing"]["price"], param="pricing[price]", status=400)
        amount = price["unit_amount"] * params.get("quantity", 1)
        return {"amount": amount, "currency": price["currency"], "pricing": lines.priced(price)}
    if "amount" not in params:
        raise lacking("amount")
    call.need("currency")
    return {"amount": params["amount"], "currency": params["currency"].lower(), "pricing": None}
