"""Payment intents, charges, payment methods and the balance, as the API shows them.

Intents are opened by Checkout and by invoices; creating one directly is not simulated.
"""

from sandbox.engine.balance import balance
from sandbox.errors import not_simulated
from sandbox.kernel.calls import PAGING, Call, operation
from sandbox.kernel.expand import included
from sandbox.kernel.metadata import merged
from sandbox.kernel.paging import as_list, equals, page
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World


@operation("GET", "/v1/payment_intents/{intent}")
def retrieve_intent(world: World, call: Call) -> Doc:
    """Return an intent."""
    return world.get("payment_intent", call.id)


@operation("POST", "/v1/payment_intents/{intent}", "description metadata receipt_email")
def update_intent(world: World, call: Call) -> Doc:
    """Change what is said of a payment, not the payment."""
    return _described(world, call, "payment_intent")


@operation("GET", "/v1/payment_intents", f"created customer {PAGING}")
def list_intents(world: World, call: Call) -> Doc:
    """List intents."""
    return page(world, call, "payment_intent", equals(call, "customer"))


@operation("GET", "/v1/charges/{charge}")
def retrieve_charge(world: World, call: Call) -> Doc:
    """Return a charge."""
    return world.get("charge", call.id)


@operation("POST", "/v1/charges/{charge}", "description metadata receipt_email")
def update_charge(world: World, call: Call) -> Doc:
    """Change what is said of a charge."""
    return _described(world, call, "charge", event="charge.updated")


@operation("GET", "/v1/charges", f"created customer payment_intent {PAGING}")
def list_charges(world: World, call: Call) -> Doc:
    """List charges, failed ones too."""
    return page(world, call, "charge", equals(call, "customer payment_intent"))


@operation("GET", "/v1/payment_methods/{payment_method}")
def retrieve_method(world: World, call: Call) -> Doc:
    """Return a payment method."""
    return world.get("payment_method", call.id)


@operation("GET", "/v1/payment_methods", f"customer type {PAGING}")
def list_methods(world: World, call: Call) -> Doc:
    """List a customer's payment methods."""
    return page(world, call, "payment_method", equals(call, "customer type"))


@operation("GET", "/v1/customers/{customer}/payment_methods", f"type {PAGING}")
def list_methods_of_customer(world: World, call: Call) -> Doc:
    """List a customer's payment methods."""
    world.get("customer", call.id)
    where = {"customer": call.id, **equals(call, "type")}
    return page(world, call, "payment_method", where)


@operation("GET", "/v1/balance")
def retrieve_balance(world: World, call: Call) -> Doc:
    """Return the balance."""
    del call
    return balance(world)


@operation("GET", "/v1/balance_transactions/{id}")
def retrieve_transaction(world: World, call: Call) -> Doc:
    """Return a balance transaction."""
    return world.get("balance_transaction", call.id)


@operation(
    "GET", "/v1/balance_transactions", f"created currency payout source type {PAGING}"
)
def list_transactions(world: World, call: Call) -> Doc:
    """List balance transactions; there are no payouts yet, so of a payout there are none."""
    if "payout" in call.params:
        raise not_simulated("payouts", param="payout")
    return page(world, call, "balance_transaction", equals(call, "currency source type"))


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
