"""Payloads as older API versions wrote them: of the events an endpoint of that version is sent.

Data only: what is asked over the API is always of the version the SDK pins.
"""

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from sandbox.kernel.store import Doc, Store

THIN: Final = "thin"
OLDER: Final = (
    "2019-12-03", "2020-03-02", "2020-08-27", "2022-11-15", "2024-06-20", "2025-03-31.basil",
    "2026-02-25.clover", "2026-08-26.dahlia", THIN,
)  # fmt: skip


def as_of(store: Store, event: Doc, version: str) -> Doc:
    """Return an event in the words of `version`.

    Source: https://docs.stripe.com/webhooks/versioning
    """
    if version == THIN:
        return _thin(event)
    old = copy.deepcopy(event) | {"api_version": version}
    doc = old["data"]["object"]
    for until, kind, change in _CHANGES:
        if version < until and doc["object"] == kind:
            change(store, doc)
    return old


def _thin(event: Doc) -> Doc:
    """Say only what to look at."""
    # Source: https://docs.stripe.com/event-destinations#thin-events
    doc = event["data"]["object"]
    kind, ident = doc["object"], doc.get("id", "")
    return {
        "id": event["id"],
        "object": "v2.core.event",
        "created": datetime.fromtimestamp(event["created"], UTC).isoformat(),
        "livemode": False,
        "related_object": {"id": ident, "type": kind, "url": f"/v1/{kind}s/{ident}"},
        "type": f"v1.{event['type']}",
    }


def _subscription(__: Store, doc: Doc) -> None:
    for name in ("current_period_end", "current_period_start"):
        first, *_ = [item.pop(name) for item in doc["items"]["data"]]
        doc[name] = first


def _invoice(store: Store, doc: Doc) -> None:
    link = (doc.pop("parent", None) or {}).get("subscription_details") or {}
    paid_by = store.find("invoice_payment", {"invoice": doc.get("id", "")}, limit=1)
    intent = paid_by[0]["payment"].get("payment_intent") if paid_by else None
    doc["subscription"], doc["payment_intent"] = link.get("subscription"), intent
    doc["charge"] = (store.get(intent or "") or {}).get("latest_charge")
    doc["paid"] = doc["status"] == "paid"
    for line in doc["lines"]["data"]:
        named = (line.pop("pricing") or {}).get("price_details", {})
        parent = line.pop("parent") or {}
        details = parent.get("subscription_item_details") or {}
        line["price"] = line["plan"] = store.get(named.get("price", ""))
        line["subscription_item"] = details.get("subscription_item")
        line["type"] = "subscription" if details else "invoiceitem"


def _paid_invoice(store: Store, doc: Doc) -> None:
    intent = doc["id"] if doc["object"] == "payment_intent" else doc["payment_intent"]
    pays = store.find("invoice_payment", {"payment.payment_intent": intent}, limit=1)
    doc["invoice"] = pays[0]["invoice"] if pays else None


def _charges(store: Store, doc: Doc) -> None:
    found = store.find("charge", {"payment_intent": doc["id"]})
    doc["charges"] = {"object": "list", "data": found, "has_more": False, "url": "/v1/charges"}


def _refunds(store: Store, doc: Doc) -> None:
    found = store.find("refund", {"charge": doc["id"]})
    doc["refunds"] = {"object": "list", "data": found, "has_more": False, "url": "/v1/refunds"}


def _plan(_: Store, doc: Doc) -> None:
    first, *more = doc["items"]["data"]
    doc["plan"] = None if more else first["plan"]
    doc["quantity"] = None if more else first["quantity"]


# Until when it was so, newest change first.
# Source: https://docs.stripe.com/changelog/basil/2025-03-31
# Source: https://docs.stripe.com/upgrades#2022-11-15
_CHANGES: Final[tuple[tuple[str, str, Callable[[Store, Doc], None]], ...]] = (
    ("2025-03-31", "subscription", _subscription),
    ("2025-03-31", "invoice", _invoice),
    ("2025-03-31", "charge", _paid_invoice),
    ("2025-03-31", "payment_intent", _paid_invoice),
    ("2022-11-15", "payment_intent", _charges),
    ("2022-11-15", "charge", _refunds),
    ("2020-08-27", "subscription", _plan),
)
