"""A gift: the page, the money, the fee, the refusals of the bank, and money back."""

from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import DECLINED, Local


def events(api: Any) -> list[str]:
    listed = api.events.list({"limit": 100}).data
    return [e.type for e in listed if not e.type.startswith(("product.", "price."))][::-1]


def test_a_paid_page_leads_to_the_success_address_and_tells_it_all(
    api: Any, local: Local, gift: Any
) -> None:
    session = gift(metadata={"appeal": "95"}, payment_intent_data={"metadata": {"fund": "95"}})
    assert session.status == "open"
    assert session.url.startswith(local.url)

    answer = local.pay(session)

    assert answer.status_code == 303
    assert answer.headers["location"] == f"http://paper.test/thanks?session={session.id}"
    paid = api.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert (paid.amount_total, paid.metadata["appeal"]) == (2500, "95")
    assert (paid.customer, paid.customer_details.email) == (None, "ada@example.org")
    assert paid.payment_intent.latest_charge.metadata["fund"] == "95"
    assert events(api) == [
        "payment_intent.created",
        "charge.succeeded",
        "charge.updated",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


def test_the_fee_is_kept_and_the_rest_is_available_later(api: Any, local: Local, gift: Any) -> None:
    local.pay(gift(amount=2500))
    moved = api.balance_transactions.list({"type": "charge"}).data[0]
    assert (moved.amount, moved.fee, moved.net) == (2500, 58, 2442)
    assert (moved.reporting_category, moved.status) == ("charge", "pending")
    assert api.balance.retrieve().pending[0].amount == 2442
    local.advance(days=8)
    assert api.balance.retrieve().available[0].amount == 2442
    assert api.balance_transactions.retrieve(moved.id).status == "available"


def test_a_charge_may_have_no_balance_transaction_yet(api: Any, local: Local, gift: Any) -> None:
    local.post("settings", settle_seconds=3600)
    local.pay(gift())
    charge = api.charges.list().data[0]
    assert charge.balance_transaction is None
    assert "charge.updated" not in events(api)
    local.advance(seconds=3600)
    assert api.charges.retrieve(charge.id).balance_transaction.startswith("txn_")
    assert "charge.updated" in events(api)


def test_a_declined_card_leaves_the_page_open_for_another(
    api: Any, local: Local, gift: Any
) -> None:
    session = gift()

    answer = local.pay(session, DECLINED)

    assert answer.status_code == 402
    assert "Your card was declined." in answer.text
    assert api.checkout.sessions.retrieve(session.id).status == "open"
    assert events(api) == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
    ]
    assert local.pay(session).status_code == 303
    intents = api.payment_intents.list().data
    assert [(i.status, i.amount_received) for i in intents] == [("succeeded", 2500)]
    assert sorted(c.status for c in api.charges.list().data) == ["failed", "succeeded"]


def test_a_real_card_number_is_refused_and_nothing_is_kept(
    api: Any, local: Local, gift: Any
) -> None:
    answer = local.pay(gift(), "4111111111111111")
    assert answer.status_code == 402
    assert "no real card is accepted" in answer.text
    assert api.payment_intents.list().data == []


def test_a_paid_page_cannot_be_paid_again(local: Local, gift: Any) -> None:
    session = gift()
    local.pay(session)
    assert "has been paid" in local.http.get(session.url).text
    assert local.pay(session).status_code == 410
    assert local.state()["counts"]["charge"] == 1


def test_a_page_expires_by_the_clock_and_says_so(api: Any, local: Local, gift: Any) -> None:
    session = gift()
    local.advance(days=1)
    assert api.checkout.sessions.retrieve(session.id).status == "expired"
    assert events(api) == ["checkout.session.expired"]
    answer = local.http.get(session.url)
    assert (answer.status_code, "expired" in answer.text) == (410, True)


def test_an_open_page_can_be_expired_once(api: Any, gift: Any) -> None:
    session = gift()
    assert api.checkout.sessions.expire(session.id).url is None
    with pytest.raises(stripe.InvalidRequestError, match="can be expired"):
        api.checkout.sessions.expire(session.id)


def test_a_known_address_is_shown_and_not_asked_again(api: Any, local: Local, gift: Any) -> None:
    session = gift(customer_email="known@example.org")
    page = local.http.get(session.url).text
    assert "known@example.org" in page
    assert 'name="email"' not in page
    local.pay(session)
    assert api.checkout.sessions.retrieve(session.id).customer_details.email == "known@example.org"


def test_the_page_escapes_what_others_wrote(local: Local, gift: Any) -> None:
    product = {"name": "<script>alert(1)</script>"}
    price = {"currency": "gbp", "unit_amount": 900, "product_data": product}
    page = local.http.get(gift(line_items=[{"price_data": price}]).url).text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_refunds_never_exceed_the_charge_and_keep_the_fee(
    api: Any, local: Local, gift: Any
) -> None:
    session = gift(amount=2500)
    local.pay(session)
    intent = api.checkout.sessions.retrieve(session.id).payment_intent

    part = api.refunds.create({"payment_intent": intent, "amount": 1000})

    assert part.status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        api.refunds.create({"payment_intent": intent, "amount": 1501})
    api.refunds.create({"charge": part.charge})
    charge = api.charges.retrieve(part.charge)
    assert (charge.amount_refunded, charge.refunded) == (2500, True)
    refunds = api.refunds.list({"charge": charge.id}).data
    assert [refund.amount for refund in refunds] == [1500, 1000]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        api.refunds.create({"charge": part.charge})
    assert caught.value.code == "charge_already_refunded"
    assert api.balance.retrieve().pending[0].amount == -58
    assert events(api)[-4:] == [
        "refund.created", "charge.refunded", "refund.updated", "charge.refund.updated",
    ]  # fmt: skip


def test_a_page_of_a_customer_deleted_meanwhile_takes_no_money(
    api: Any, local: Local, subscribe: Any
) -> None:
    kept = subscribe()
    price = kept["items"].data[0].price.id
    page = {"mode": "subscription", "line_items": [{"price": price}], "success_url": "http://a.b/"}
    session = api.checkout.sessions.create(page | {"customer": kept.customer})
    api.customers.delete(kept.customer)
    answer = local.pay(session)
    assert (answer.status_code, "Nothing was paid" in answer.text) == (410, True)
    assert len(api.charges.list().data) == 1


def test_too_small_a_total_is_refused(gift: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        gift(amount=29)
    assert caught.value.code == "amount_too_small"
