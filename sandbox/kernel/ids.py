"""Ids that look like Stripe's."""

import secrets
import string
from collections.abc import Mapping
from typing import Final

_LETTERS = string.digits + string.ascii_letters

PREFIXES: Final[Mapping[str, str]] = {
    "balance_transaction": "txn_3",
    "charge": "ch_3",
    "checkout.session": "cs_test_a1",
    "customer": "cus_",
    "event": "evt_1",
    "invoice": "in_1",
    "invoice_payment": "inpay_1",
    "item": "li_1",
    "line_item": "il_1",
    "payment_intent": "pi_3",
    "payment_method": "pm_1",
    "price": "price_1",
    "product": "prod_",
    "refund": "re_3",
    "subscription": "sub_1",
    "subscription_item": "si_",
    "webhook_endpoint": "we_1",
}


def token(length: int) -> str:
    """Return random letters and digits."""
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def new_id(name: str) -> str:
    """Return an id for a new resource."""
    return PREFIXES[name] + token(56 if name == "checkout.session" else 22)
