"""What the API only reads: most resources are shown and listed alike, so a table says it all."""

from sandbox.kernel.calls import Call, Doc, World, operation
from sandbox.kernel.paging import PAGING, page, params_of

_ONE = {
    "/v1/balance_transactions/{id}": "balance_transaction",
    "/v1/billing_portal/configurations/{configuration}": "billing_portal.configuration",
    "/v1/charges/{charge}": "charge",
    "/v1/checkout/sessions/{session}": "checkout.session",
    "/v1/coupons/{coupon}": "coupon",
    "/v1/credit_notes/{id}": "credit_note",
    "/v1/disputes/{dispute}": "dispute",
    "/v1/events/{id}": "event",
    "/v1/invoice_payments/{invoice_payment}": "invoice_payment",
    "/v1/invoiceitems/{invoiceitem}": "invoiceitem",
    "/v1/invoices/{invoice}": "invoice",
    "/v1/mandates/{mandate}": "mandate",
    "/v1/payment_intents/{intent}": "payment_intent",
    "/v1/payment_methods/{payment_method}": "payment_method",
    "/v1/payouts/{payout}": "payout",
    "/v1/prices/{price}": "price",
    "/v1/products/{id}": "product",
    "/v1/promotion_codes/{promotion_code}": "promotion_code",
    "/v1/radar/early_fraud_warnings/{early_fraud_warning}": "radar.early_fraud_warning",
    "/v1/refunds/{refund}": "refund",
    "/v1/reviews/{review}": "review",
    "/v1/setup_intents/{intent}": "setup_intent",
    "/v1/subscriptions/{subscription_exposed_id}": "subscription",
    "/v1/test_helpers/test_clocks/{test_clock}": "test_helpers.test_clock",
    "/v1/webhook_endpoints/{webhook_endpoint}": "webhook_endpoint",
}
# The filters of each list; `param:path` where the param and the field have different names.
_MANY = {
    "/v1/billing_portal/configurations": ("billing_portal.configuration", "active is_default"),
    "/v1/charges": ("charge", "customer payment_intent"),
    "/v1/checkout/sessions": ("checkout.session", "customer payment_intent status subscription"),
    "/v1/coupons": ("coupon", ""),
    "/v1/credit_notes": ("credit_note", "customer invoice"),
    "/v1/customers": ("customer", "email test_clock"),
    "/v1/disputes": ("dispute", "charge payment_intent"),
    "/v1/invoice_payments": (
        "invoice_payment",
        "invoice payment.type payment.payment_intent status",
    ),
    "/v1/invoices": (
        "invoice",
        "customer status subscription:parent.subscription_details.subscription",
    ),
    "/v1/payment_intents": ("payment_intent", "customer"),
    "/v1/payment_methods": ("payment_method", "customer type"),
    "/v1/payouts": ("payout", "status"),
    "/v1/prices": ("price", "active lookup_keys:lookup_key product"),
    "/v1/products": ("product", "active ids:id"),
    "/v1/promotion_codes": ("promotion_code", "active code coupon:promotion.coupon customer"),
    "/v1/radar/early_fraud_warnings": (
        "radar.early_fraud_warning",
        "charge payment_intent",
    ),
    "/v1/refunds": ("refund", "charge payment_intent"),
    "/v1/reviews": ("review", ""),
    "/v1/test_helpers/test_clocks": ("test_helpers.test_clock", ""),
    "/v1/webhook_endpoints": ("webhook_endpoint", ""),
}


def _show(path: str, name: str) -> None:
    @operation("GET", path)
    def retrieve(world: World, call: Call) -> Doc:
        return world.get(name, call.id)


def _list(path: str, name: str, filters: str) -> None:
    @operation("GET", path, f"{params_of(filters)} {PAGING}")
    def list_(world: World, call: Call) -> Doc:
        return page(world, call, name, filters)


for _path, _name in _ONE.items():
    _show(_path, _name)
for _path, (_name, _filters) in _MANY.items():
    _list(_path, _name, _filters)
