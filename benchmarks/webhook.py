"""Accepting a webhook against its floor: one HMAC and one committed, deduplicated row."""

import json
import time

from benchmarks._measure import compare, last_line, server
from benchmarks._setting import WEBHOOK_SECRET, setting
from webhooks.signature import sign

_PADDING = "x" * 3000  # an ordinary event is some three kilobytes


def main() -> None:
    """Measure it, and print a line."""
    with (
        setting() as here,
        server("benchmarks._floors:verify_and_insert", here.env) as floor,
        server("service.app:from_environment", here.env) as ours,
    ):
        accepted = compare("a webhook accepted", (ours, _event), (floor, _event))
    last_line(webhook=accepted)


def _event(number: int) -> bytes:
    event = {
        "id": f"evt_{number}",
        "object": "event",
        "type": "charge.updated",
        "api_version": "2026-10-28.endive",
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": {"id": "ch_1", "object": "charge", "description": _PADDING}},
    }
    body = json.dumps(event).encode()
    signature = sign(body, secret=WEBHOOK_SECRET.encode(), at=int(time.time())).decode()
    head = (
        "POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nStripe-Signature: {signature}\r\n\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    main()
