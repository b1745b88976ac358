"""Payment intents, charges, payment methods and the balance, as the API shows them.

Intents are opened by Checkout and by invoices; creating one directly is not simulated.
"""

from sandbox.engine.balance import balance
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.expand import included
from sandbox.kernel.metadata import merged
from sandbox.kernel.paging import PAGING, as_list, page
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World


@operation("POST", "/v1/payment_intents/{intent}", "description metadata receipt_email")
def update_intent(world: World, call: Call) -> Doc:
    """Change what is said of a payment, not the payment."""
    return _described(world, call, "payment_intent")


@operation("POST", "/v1/charges/{charge}", "description metadata receipt_email")
def update_charge(world: World, call: Call) -> Doc:
    """Change what is said of a charge."""
    return _described(world, call, "charge", event="charge.updated")


@operation("GET", "/v1/customers/{customer}/payment_methods", f"type {PAGING}")
def list_methods_of_customer(world: World, call: Call) -> Doc:
    """List a customer's payment methods."""
    world.get("customer", call.id)
    of_customer = ("json_extract(doc, '$.customer') = ?", call.id)
    return page(world, call, "payment_method", "type", and_=of_customer)


@operation("GET", "/v1/balance")
def retrieve_balance(world: World, call: Call) -> Doc:
    """Return the balance."""
    del call
    return balance(world)


@included("charge", "refunds")
def _refunds(world: World, charge: Doc) -> Doc:
    url = f"/v1/charges/{charge['id']}/refunds"
    return as_list(world.store.find("refund", {"charge": charge["id"]}), url=url)


def _described(world: World, call: Call, name: str, *, event: str = "") -> Doc:
    doc = world.get(name, call.id)
    fields = call.picked("description receipt_email")
    if "metadata" in call.params:
        fields["metadata"] = merged(doc["metadata"], call.params["metadata"])
    return world.change(doc, fields, event=event)
