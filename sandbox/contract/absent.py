"""Which fields of a resource may be left out, as Python's types cannot say.

`Optional[X]` in the SDK means "null, or absent": the two cannot be told apart. These lists were
read from the types of npm `stripe` 23.1.0 (API 2026-10-28.endive), which can.
"""

from collections.abc import Mapping
from typing import Final

_ABSENT: Final[Mapping[str, str]] = {
    "balance_transaction": "",
    "charge": "authorization_code level3 presentment_details radar_options refunds transfer",
    "checkout.session": (
        "branding_settings excluded_payment_method_types line_items name_collection optional_items "
        "phone_number_collection presentment_details redirect_on_completion return_url "
        "tax_id_collection"
    ),
    "coupon": "applies_to currency_options deleted",
    "customer": (
        "address business_name cash_balance currency customer_account deleted delinquent discount "
        "individual_name invoice_credit_balance invoice_prefix name next_invoice_sequence phone "
        "preferred_locales sources subscriptions tax tax_exempt tax_ids test_clock"
    ),
    "discount": "deleted",
    "dispute": "network_reason_code payment_method_details",
    "event": "account context",
    "invoice": (
        "amount_paid_off_stripe auto_advance confirmation_secret customer_tax_ids deleted "
        "hosted_invoice_url invoice_pdf payments status_details threshold_reason"
    ),
    "invoice_payment": "",
    "invoiceitem": "deleted frozen_fields invoicing_rules net_amount proration_details",
    "item": "discounts taxes",
    "line_item": "",
    "payment_intent": "amount_details hooks payment_details presentment_details transfer_data",
    "payout": "",
    "plan": "deleted tiers",
    "price": "currency_options deleted tiers",
    "product": "default_price deleted statement_descriptor tax_code unit_label",
    "promotion_code": "",
    "refund": (
        "description destination_details failure_balance_transaction failure_reason "
        "instructions_email next_action pending_reason presentment_details"
    ),
    "subscription": "default_tax_rates presentment_details status_details",
    "subscription_item": "billed_until deleted quantity",
    "test_helpers.test_clock": "deleted",
    "webhook_endpoint": "deleted secret",
}


def may_be_absent(resource: str | None) -> frozenset[str] | None:
    """Return the fields that may be absent, or None where nobody has looked yet."""
    fields = _ABSENT.get(resource or "")
    return None if fields is None else frozenset(fields.split())
