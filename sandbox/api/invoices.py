"""Invoices and what paid them, as the API shows them.

Source: https://docs.stripe.com/api/invoices
"""

from sandbox.kernel.calls import Call, operation
from sandbox.kernel.expand import included
from sandbox.kernel.paging import PAGING, as_list, page_of
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World


@operation("GET", "/v1/invoices/{invoice}/lines", PAGING)
def list_lines(world: World, call: Call) -> Doc:
    """List the lines of an invoice."""
    return page_of(world.get("invoice", call.id)["lines"]["data"], call)


@included("invoice", "payments")
def _payments(world: World, invoice: Doc) -> Doc:
    url = f"/v1/invoice_payments?invoice={invoice['id']}"
    return as_list(world.store.find("invoice_payment", {"invoice": invoice["id"]}), url=url)
