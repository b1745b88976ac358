"""An ordinary event of some three kilobytes, signed, in as many copies as are asked for."""

import json
import time
from typing import Any

from webhooks.signature import sign

SECRET = b"whsec_benchmark"  # of nothing
_NULLS = (
    "application application_fee application_fee_amount destination dispute failure_code"
    " failure_balance_transaction failure_message invoice on_behalf_of order receipt_email"
    " receipt_number review shipping source source_transfer statement_descriptor"
    " statement_descriptor_suffix transfer_data transfer_group radar_options presentment_details"
)
_CARD = {
    "amount_authorized": 2500,
    "authorization_code": None,
    "brand": "visa",
    "checks": {
        "address_line1_check": None,
        "address_postal_code_check": "pass",
        "cvc_check": "pass",
    },
    "country": "GB",
    "exp_month": 12,
    "exp_year": 2040,
    "extended_authorization": {"status": "disabled"},
    "fingerprint": "Xt5EWLLDS7FJjR1c",
    "funding": "credit",
    "incremental_authorization": {"status": "unavailable"},
    "installments": None,
    "last4": "4242",
    "mandate": None,
    "multicapture": {"status": "unavailable"},
    "network": "visa",
    "network_token": {"used": False},
    "network_transaction_id": "104110821151059",
    "overcapture": {"maximum_amount_capturable": 2500, "status": "unavailable"},
    "regulated_status": "unregulated",
    "three_d_secure": None,
    "wallet": None,
}
_ADDRESS = {
    "city": "Croydon",
    "country": "GB",
    "line1": "Ruskin House",
    "line2": "23 Coombe Road",
    "postal_code": "CR0 1BD",
    "state": None,
}
_ACTS = {
    "email": "reader@example.org",
    "name": "A Reader",
    "phone": None,
    "tax_id": None,
}
_CHARGE: dict[str, Any] = {
    "id": "ch_3SWbXXLkdIwHu7ix0F2hzZ9k",
    "object": "charge",
    "amount": 2500,
    "amount_captured": 2500,
    "amount_refunded": 0,
    "balance_transaction": "txn_3SWbXXLkdIwHu7ix0GBZcBHi",
    "billing_details": {"address": _ADDRESS, **_ACTS},
    "calculated_statement_descriptor": "MORNING STAR",
    "captured": True,
    "created": 1_763_892_000,
    "currency": "gbp",
    "customer": "cus_TTZpWqLf2xVn8k",
    "description": "95th Anniversary Appeal",
    "disputed": False,
    "fraud_details": {},
    "livemode": False,
    "metadata": {"checkout": "2f3c6a3e-6f0c-4a6e-9d6e-2f8f4f0d1c11", "app": "morning-star"},
    "outcome": {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "risk_score": 12,
        "seller_message": "Payment complete.",
        "type": "authorized",
    },
    "paid": True,
    "payment_intent": "pi_3SWbXXLkdIwHu7ix0nMZ3V2b",
    "payment_method": "pm_1SWbXWLkdIwHu7ixQY3kGg3K",
    "payment_method_details": {"card": _CARD, "type": "card"},
    "receipt_url": "https://pay.stripe.com/receipts/payment/CAcaFwoVYWNjdF8xTWtkSXdIdTdpeA",
    "refunded": False,
    "refunds": {"object": "list", "data": [], "has_more": False, "url": "/v1/charges/ch/refunds"},
    "status": "succeeded",
    **dict.fromkeys(_NULLS.split()),
}


def body_of(event_id: str, event_type: str, about: dict[str, Any], *, created: int) -> bytes:
    """Write an event as Stripe does: JSON with two spaces before each field."""
    event = {
        "id": event_id,
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": created,
        "data": {"object": about, "previous_attributes": {"balance_transaction": None}},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event_type,
    }
    return json.dumps(event, indent=2).encode()


_BODY = body_of("evt_NUMBER", "charge.updated", _CHARGE, created=1_763_892_000)


def charge_updated(number: int) -> bytes:
    """Return one request, whole: signed now, and unlike every other."""
    return request_of(_BODY.replace(b"evt_NUMBER", b"evt_%d" % number))


def request_of(body: bytes) -> bytes:
    """Return a body as it comes over the wire from Stripe, signed now."""
    signature = sign(body, secret=SECRET, at=int(time.time())).decode()
    head = (
        "POST /webhooks/stripe HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n"
        "Cache-Control: no-cache\r\nContent-Type: application/json; charset=utf-8\r\n"
        "User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n"
        f"Content-Length: {len(body)}\r\nStripe-Signature: {signature}\r\n\r\n"
    )
    return head.encode() + body
