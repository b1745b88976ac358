"""Ids that look like Stripe's."""

import secrets
import string
from collections.abc import Mapping
from typing import Final

_LETTERS = string.digits + string.ascii_letters

PREFIXES: Final[Mapping[str, str]] = {
    "balance_transaction": "txn_3",
    "billing_portal.configuration": "bpc_1",
    "billing_portal.session": "bps_1",
    "charge": "ch_3",
    "checkout.session": "cs_test_a1",
    "coupon": "",
    "credit_note": "cn_1",
    "credit_note_line_item": "cnli_1",
    "customer": "cus_",
    "discount": "di_1",
    "dispute": "du_1",
    "event": "evt_1",
    "invoice": "in_1",
    "invoice_payment": "inpay_1",
    "invoiceitem": "ii_1",
    "item": "li_1",
    "line_item": "il_1",
    "mandate": "mandate_1",
    "payment_intent": "pi_3",
    "payment_method": "pm_1",
    "payout": "po_1",
    "price": "price_1",
    "product": "prod_",
    "promotion_code": "promo_1",
    "radar.early_fraud_warning": "issfr_1",
    "refund": "re_3",
    "review": "prv_1",
    "setup_intent": "seti_1",
    "subscription": "sub_1",
    "subscription_item": "si_",
    "test_helpers.test_clock": "clock_1",
    "webhook_endpoint": "we_1",
}


def token(length: int) -> str:
    """Return random letters and digits."""
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def new_id(name: str) -> str:
    """Return an id for a new resource."""
    return PREFIXES[name] + token(56 if name == "checkout.session" else 22)
