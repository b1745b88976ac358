"""Invoices and what paid them, as the API shows them.

Source: https://docs.stripe.com/api/invoices
"""

from typing import Any

from sandbox.kernel.calls import PAGING, Call, operation
from sandbox.kernel.expand import included
from sandbox.kernel.paging import as_list, equals, page, page_of
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World


@operation("GET", "/v1/invoices/{invoice}")
def retrieve_invoice(world: World, call: Call) -> Doc:
    """Return an invoice."""
    return world.get("invoice", call.id)


@operation("GET", "/v1/invoices", f"created customer status subscription {PAGING}")
def list_invoices(world: World, call: Call) -> Doc:
    """List invoices."""
    where = equals(call, "customer status")
    if "subscription" in call.params:
        where["parent.subscription_details.subscription"] = call.params["subscription"]
    return page(world, call, "invoice", where)


@operation("GET", "/v1/invoices/{invoice}/lines", PAGING)
def list_lines(world: World, call: Call) -> Doc:
    """List the lines of an invoice."""
    return page_of(world.get("invoice", call.id)["lines"]["data"], call)


@operation("GET", "/v1/invoice_payments/{invoice_payment}")
def retrieve_invoice_payment(world: World, call: Call) -> Doc:
    """Return what links a payment to an invoice."""
    return world.get("invoice_payment", call.id)


@operation(
    "GET",
    "/v1/invoice_payments",
    f"created invoice status payment.type payment.payment_intent {PAGING}",
)
def list_invoice_payments(world: World, call: Call) -> Doc:
    """List the payments of an invoice, or the invoices of a payment."""
    where: dict[str, Any] = equals(call, "invoice status")
    for name, value in call.params.get("payment", {}).items():
        where[f"payment.{name}"] = value
    return page(world, call, "invoice_payment", where)


@included("invoice", "payments")
def _payments(world: World, invoice: Doc) -> Doc:
    url = f"/v1/invoice_payments?invoice={invoice['id']}"
    return as_list(world.store.find("invoice_payment", {"invoice": invoice["id"]}), url=url)
