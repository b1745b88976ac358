"""The office's page of payouts."""

from datetime import timedelta
from typing import Any

from fastapi.testclient import TestClient

from billing.context import Context
from billing.models import Payout, PayoutStatus, Role
from tests.billing.books.movements import NOON, a_payment, moved
from tests.billing.web.test_office import cells, enter

MINUS = "\N{MINUS SIGN}"


def four_payouts(context: Context) -> None:
    with context.db.unit_of_work() as session:
        gift = a_payment(session)
        inside = [
            moved(session, gift, 25_00, fee=58),
            moved(session, gift, -10_00, category="refund"),
            moved(session, None, -1_00, category="fee"),
        ]
        for txn in inside:
            txn.payout_id = "po_ties"
        own = moved(session, None, -13_42, category="payout")
        own.payout_id = own.source_id = "po_ties"
        tied: dict[str, Any] = {"tied_at": NOON, "automatic": True}
        found: list[tuple[str, int, PayoutStatus, dict[str, Any]]] = [
            ("po_hand", 5_00, PayoutStatus.PAID, {"automatic": False}),
            ("po_new", 7_00, PayoutStatus.PENDING, {"automatic": True}),
            ("po_off", 3, PayoutStatus.FAILED, {**tied, "residual": 3, "failure": "closed"}),
            ("po_ties", 13_42, PayoutStatus.IN_TRANSIT, {**tied, "residual": 0}),
        ]
        for number, (name, amount, status, facts) in enumerate(found):
            session.add(
                Payout(
                    stripe_payout_id=name,
                    status=status,
                    amount=amount,
                    currency="gbp",
                    arrives_on=NOON.date(),
                    created_at=NOON - timedelta(days=number),
                    **facts,
                )
            )


def test_each_payout_says_what_it_is_made_of_and_whether_it_ties(
    client: TestClient, context: Context
) -> None:
    four_payouts(context)
    enter(client, context)

    page = client.get("/office/payouts").text

    day = "23 Nov 2026"
    assert cells(page)[1:] == [
        [day, "po_hand", "paid", "", "", "", "", "£5.00", "not itemised: made by hand"],
        [day, "po_new", "pending", "", "", "", "", "£7.00", "Stripe has not listed it yet"],
        [day, "po_off", "failed: closed", "£0.00", "£0.00", "£0.00", "£0.00", "£0.03",
         "£0.03 UNEXPLAINED"],
        [day, "po_ties", "in transit", "£25.00", f"{MINUS}£10.00", "£0.00", "£1.58", "£13.42",
         "ties"],
    ]  # fmt: skip


def test_before_anything_was_paid_out_the_page_says_so(
    client: TestClient, context: Context
) -> None:
    enter(client, context)

    assert "Stripe has paid nothing out yet." in client.get("/office/payouts").text


def test_payouts_are_for_those_who_see_money(client: TestClient, context: Context) -> None:
    enter(client, context, Role.SUPPORT)

    assert client.get("/office/payouts").status_code == 403
