"""Invoice items: amounts that wait for a customer's next invoice.

Source: https://docs.stripe.com/api/invoiceitems
"""

from typing import Final

from sandbox.engine import invoice, lines
from sandbox.errors import invalid
from sandbox.kernel.calls import Call, Doc, World, operation
from sandbox.kernel.paging import PAGING, page

_PLAIN: Final = "description discountable metadata period quantity"


@operation("POST", "/v1/invoiceitems", f"{_PLAIN} amount currency customer invoice")
def create_item(world: World, call: Call) -> Doc:
    """Add an amount to a draft, or to the next invoice there will be."""
    call.need("amount", "currency")
    customer = call.named(world, "customer")
    draft = _draft(world, call.params["invoice"]) if "invoice" in call.params else None
    given = call.picked(f"{_PLAIN} amount") | {"pricing": None}
    made = lines.add_item(world, customer, given | {"currency": call.params["currency"].lower()})
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
