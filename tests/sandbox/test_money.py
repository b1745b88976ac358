"""Refunds, disputes, payouts: each penny is a balance transaction, the balance their sum."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import Local

DAY = 24 * 3600


@pytest.fixture
def charge(api: Any, local: Local, gift: Any) -> Callable[..., Any]:
    """Take a gift of £25 by card."""

    def take(amount: int = 2500) -> Any:
        local.pay(gift(amount))
        return api.charges.list({"limit": 1}).data[0]

    return take


def events(api: Any, since: int) -> list[str]:
    """Return what was told after the first `since` events, oldest first."""
    every = [event.type for event in api.events.list({"limit": 100}).auto_paging_iter()]
    return every[::-1][since:]


def told(local: Local) -> int:
    count: int = local.state()["counts"]["event"]
    return count


def held(api: Any) -> int:
    """Return what is at Stripe, available or not."""
    found = api.balance.retrieve()
    return sum(each.amount for each in [*found.available, *found.pending])


def moved(api: Any, **filters: Any) -> list[Any]:
    """Return what moved the balance, oldest first."""
    return list(api.balance_transactions.list({"limit": 100, **filters}).auto_paging_iter())[::-1]


def test_however_a_charge_is_refunded_in_parts_the_parts_never_exceed_it(
    api: Any, local: Local, charge: Any
) -> None:
    whole = charge()
    parts = random.Random(7)  # noqa: S311
    left = 2500
    while left:
        part = parts.randint(1, left)
        api.refunds.create({"charge": whole.id, "amount": part})
        left -= part
        assert api.charges.retrieve(whole.id).amount_refunded == 2500 - left
        with pytest.raises(stripe.InvalidRequestError):
            api.refunds.create({"charge": whole.id, "amount": left + 1})
    refunds = moved(api, type="refund")
    assert -sum(each.net for each in refunds) == 2500
    assert held(api) == -58  # the fee is kept


def test_a_refund_that_fails_later_gives_the_money_back_to_us(
    api: Any, local: Local, charge: Any
) -> None:
    made = api.refunds.create({"charge": charge().id, "amount": 1000})
    before = told(local)
    local.post(f"refunds/{made.id}/fail", reason="expired_or_canceled_card")
    failed = api.refunds.retrieve(made.id, {"expand": ["failure_balance_transaction"]})
    assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
    back = failed.failure_balance_transaction
    assert (back.type, back.reporting_category, back.net) == (
        "refund_failure",
        "refund_failure",
        1000,
    )
    assert api.charges.retrieve(made.charge).amount_refunded == 0
    assert held(api) == 2500 - 58
    assert events(api, before) == [
        "refund.updated", "charge.refund.updated", "charge.updated", "refund.failed",
    ]  # fmt: skip
    again = local.http.post(f"{local.url}/_sandbox/refunds/{made.id}/fail", json={})
    assert again.status_code == 400


def test_a_slow_refund_is_pending_for_days_and_can_be_called_back(
    api: Any, local: Local, charge: Any
) -> None:
    local.post("settings", slow_refunds=1)
    first, second = (api.refunds.create({"charge": charge().id}) for _ in range(2))
    assert (first.status, first.pending_reason) == ("pending", "processing")
    local.post(f"refunds/{second.id}/cancel")
    local.advance(days=5)
    assert api.refunds.retrieve(first.id).status == "succeeded"
    assert api.refunds.retrieve(second.id).status == "canceled"
    assert held(api) == 2500 - 2 * 58


def test_the_test_cards_for_refunds_are_slow_and_fail_late(
    api: Any, local: Local, gift: Any
) -> None:
    for number in ("4000000000007726", "4000000000005126"):
        local.pay(gift(), number)
    late, slow = (api.refunds.create({"charge": each.id}) for each in api.charges.list().data)
    assert (slow.status, late.status) == ("pending", "succeeded")
    local.advance(days=5)
    assert api.refunds.retrieve(slow.id).status == "succeeded"
    assert api.refunds.retrieve(late.id).status == "failed"


def test_the_test_card_for_disputes_is_disputed_as_soon_as_it_has_paid(
    api: Any, local: Local, gift: Any
) -> None:
    local.pay(gift(), "4000000000000259")
    assert api.disputes.list().data[0].status == "needs_response"


def test_a_debit_may_be_claimed_back_for_ever_and_nobody_can_fight_it(
    api: Any, local: Local, gift: Any
) -> None:
    local.post("settings", bacs_debit=1)
    form = {"by": "bacs_debit", "sort_code": "10-88-00", "line1": "1 High St", "agreed": "yes"}
    local.pay(gift(), "00012345", postal_code="CR0 1BD", **form)
    local.advance(days=400)
    debit = api.charges.list().data[0]
    refunded = api.refunds.create({"charge": debit.id, "amount": 500})
    assert refunded.status == "pending"
    local.post(f"refunds/{refunded.id}/fail")
    assert [each.type for each in moved(api)] == ["payment", "payment_refund", "payment_refund"]
    kept = held(api)
    local.post("disputes/open", charge=debit.id, reason="debit_not_authorized")
    dispute = api.disputes.list().data[0]
    assert (dispute.status, dispute.evidence_details.due_by) == ("lost", None)
    assert held(api) == kept - 2500 - 2000
    assert events(api, 0)[-3:] == [
        "charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.closed",
    ]  # fmt: skip


def test_a_note_on_a_refund_is_told_under_both_names(api: Any, local: Local, charge: Any) -> None:
    made = api.refunds.create({"charge": charge().id})
    before = told(local)
    api.refunds.update(made.id, {"metadata": {"why": "wrong amount"}})
    assert events(api, before) == ["refund.updated", "charge.refund.updated"]


def test_a_dispute_takes_the_money_and_a_fee_and_winning_returns_the_money_only(
    api: Any, local: Local, charge: Any
) -> None:
    disputed, before = charge(), told(local)
    local.post("disputes/open", charge=disputed.id, reason="product_not_received")
    dispute = api.disputes.list({"charge": disputed.id}).data[0]
    assert (dispute.status, dispute.reason) == ("needs_response", "product_not_received")
    assert dispute.evidence_details.due_by == dispute.created + 9 * DAY
    (taken,) = dispute.balance_transactions
    assert (taken.type, taken.reporting_category) == ("adjustment", "dispute")
    assert (taken.amount, taken.fee, taken.source) == (-2500, 2000, dispute.id)
    assert api.charges.retrieve(disputed.id).disputed
    with pytest.raises(stripe.InvalidRequestError) as caught:
        api.refunds.create({"charge": disputed.id})
    assert caught.value.code == "charge_disputed"

    local.post(f"disputes/{dispute.id}/become", status="under_review")
    local.post(f"disputes/{dispute.id}/become", status="won")
    won = api.disputes.retrieve(dispute.id)
    assert [each.reporting_category for each in won.balance_transactions] == [
        "dispute", "dispute_reversal",
    ]  # fmt: skip
    assert held(api) == 2500 - 58 - 2000
    assert events(api, before) == [
        "charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.updated",
        "charge.dispute.closed", "charge.dispute.funds_reinstated",
    ]  # fmt: skip


def test_an_inquiry_moves_no_money_unless_it_becomes_a_dispute(
    api: Any, local: Local, charge: Any
) -> None:
    closed, escalated = charge(), charge()
    for each in (closed, escalated):
        local.post("disputes/open", charge=each.id, status="warning_needs_response")
    inquiry = api.disputes.list({"charge": escalated.id}).data[0]
    assert (inquiry.balance_transactions, inquiry.is_charge_refundable) == ([], True)
    assert held(api) == 2 * (2500 - 58)
    local.post(f"disputes/{inquiry.id}/become", status="needs_response")
    assert held(api) == 2 * (2500 - 58) - 2500 - 2000
    local.advance(days=121)
    assert api.disputes.list({"charge": closed.id}).data[0].status == "warning_closed"
    late = api.disputes.retrieve(inquiry.id)
    assert (late.status, late.evidence_details.past_due) == ("lost", True)


def test_a_full_refund_ends_an_inquiry_and_leaves_nothing_to_dispute(
    api: Any, local: Local, charge: Any
) -> None:
    asked = charge()
    local.post("disputes/open", charge=asked.id, status="warning_needs_response")
    api.refunds.create({"charge": asked.id})
    assert api.disputes.list().data[0].status == "warning_closed"
    answer = local.http.post(f"{local.url}/_sandbox/disputes/open", json={"charge": asked.id})
    assert answer.status_code == 400


def test_disputes_never_take_more_than_is_left_of_a_charge(
    api: Any, local: Local, charge: Any
) -> None:
    taken = charge()
    api.refunds.create({"charge": taken.id, "amount": 500})
    local.post("disputes/open", charge=taken.id, amount=1200)
    local.post("disputes/open", charge=taken.id)
    assert [each.amount for each in api.disputes.list().data] == [800, 1200]


def test_saying_nothing_loses_a_dispute_and_a_loss_can_be_appealed(
    api: Any, local: Local, charge: Any
) -> None:
    local.post("disputes/open", charge=charge().id)
    dispute = api.disputes.list().data[0]
    local.advance(days=10)
    assert api.disputes.retrieve(dispute.id).status == "lost"
    for status in ("appeal_needs_response", "appeal_under_review", "won"):
        local.post(f"disputes/{dispute.id}/become", status=status)
    assert held(api) == 2500 - 58 - 2000
    path = f"{local.url}/_sandbox/disputes/{dispute.id}/become"
    assert local.http.post(path, json={"status": "lost"}).status_code == 400


def test_a_prevented_dispute_and_an_early_warning_move_no_money(
    api: Any, local: Local, charge: Any
) -> None:
    warned, prevented = charge(), charge()
    before = told(local)
    local.post(f"charges/{warned.id}/warn", fraud_type="made_with_stolen_card")
    warning = api.radar.early_fraud_warnings.list({"charge": warned.id}).data[0]
    assert (warning.actionable, warning.fraud_type) == (True, "made_with_stolen_card")
    local.post("disputes/open", charge=prevented.id, status="prevented")
    assert held(api) == 2 * (2500 - 58)
    assert events(api, before) == [
        "radar.early_fraud_warning.created", "charge.dispute.created", "charge.dispute.closed",
    ]  # fmt: skip


def test_a_review_is_opened_and_closed_once_and_moves_no_money(
    api: Any, local: Local, charge: Any
) -> None:
    reviewed = charge()
    before = told(local)
    local.post(f"charges/{reviewed.id}/review")
    review = api.reviews.list().data[0]
    assert (review.open, review.charge) == (True, reviewed.id)
    local.post(f"reviews/{review.id}/close", reason="refunded")
    review = api.reviews.retrieve(review.id)
    assert (review.open, review.closed_reason) == (False, "refunded")
    path = f"{local.url}/_sandbox/reviews/{review.id}/close"
    assert local.http.post(path, json={}).status_code == 400
    assert held(api) == 2500 - 58
    assert events(api, before) == ["review.opened", "review.closed"]


def itemised(api: Any, payout: Any) -> list[Any]:
    every = moved(api, payout=payout.id)
    own = [each for each in every if each.source == payout.id]
    assert [(each.type, each.net) for each in own] == [("payout", -payout.amount)]
    return [each for each in every if each.source != payout.id]


def test_a_payout_each_business_day_is_the_sum_of_what_it_pays_out(
    api: Any, local: Local, charge: Any
) -> None:
    local.post("settings", payouts=1)
    first, disputed = charge(4000), charge(9000)
    local.advance(days=1)
    api.refunds.create({"charge": first.id, "amount": 1500})
    local.post("disputes/open", charge=disputed.id)
    local.post("balance/adjust", amount=-250, kind="stripe_fee", description="Billing")
    local.post("balance/adjust", amount=17, description="A correction")
    charge(1234)
    local.advance(days=14)
    payouts = [
        p for p in api.payouts.list({"limit": 100}).data if p.reconciliation_status == "completed"
    ]
    assert payouts
    for payout in payouts:
        assert sum(each.net for each in itemised(api, payout)) == payout.amount
        assert (payout.status, payout.automatic) == ("paid", True)
    assert sum(payout.amount for payout in payouts) == sum(
        each.net for each in moved(api) if each.type != "payout"
    )
    assert held(api) == 0
    assert {p.created for p in payouts if p.amount < 0}  # the dispute came before the money
    kinds = {each.reporting_category for payout in payouts for each in itemised(api, payout)}
    assert kinds == {"charge", "refund", "dispute", "fee", "other_adjustment"}


def test_a_payout_tells_its_life_and_what_is_in_it_once_that_is_known(
    api: Any, local: Local, charge: Any
) -> None:
    charge()
    local.advance(days=7)
    before = told(local)
    local.post("payouts/run")
    payout = api.payouts.list().data[0]
    assert (payout.status, payout.reconciliation_status) == ("pending", "in_progress")
    assert moved(api, payout=payout.id) == []
    local.advance(days=5)
    paid = api.payouts.retrieve(payout.id)
    assert (paid.status, paid.reconciliation_status) == ("paid", "completed")
    assert events(api, before) == [
        "payout.created", "payout.updated", "payout.reconciliation_completed", "payout.paid",
    ]  # fmt: skip
    assert [each.type for each in itemised(api, paid)] == ["charge"]


def test_a_payout_may_fail_though_it_was_paid_and_the_next_one_pays_it_again(
    api: Any, local: Local, charge: Any
) -> None:
    charge()
    local.advance(days=7)
    local.post("payouts/run")
    first = api.payouts.list().data[0]
    local.advance(days=5)
    local.post(f"payouts/{first.id}/fail", code="account_closed")
    failed = api.payouts.retrieve(first.id, {"expand": ["failure_balance_transaction"]})
    assert (failed.status, failed.failure_code) == ("failed", "account_closed")
    back = failed.failure_balance_transaction
    assert (back.type, back.reporting_category) == ("payout_failure", "payout_reversal")
    assert held(api) == back.net == first.amount
    local.post("payouts/run")
    local.advance(days=5)
    second = api.payouts.list().data[0]
    assert [each.id for each in itemised(api, second)] == [back.id]
    assert (second.amount, held(api)) == (first.amount, 0)


def test_a_payout_by_hand_cannot_be_itemised(api: Any, local: Local, charge: Any) -> None:
    charge()
    local.advance(days=7)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        api.payouts.create({"amount": 9999, "currency": "gbp"})
    assert caught.value.code == "balance_insufficient"
    payout = api.payouts.create({"amount": 1000, "currency": "gbp"})
    assert (payout.automatic, payout.reconciliation_status) == (False, "not_applicable")
    with pytest.raises(stripe.InvalidRequestError, match="not manual"):
        api.balance_transactions.list({"payout": payout.id})


def test_an_account_stripe_pays_nothing_out_of_says_so_and_keeps_the_money(
    api: Any, local: Local, charge: Any
) -> None:
    local.post("settings", payouts=1, payouts_enabled=0)
    assert api.accounts.retrieve_current().payouts_enabled is False
    assert api.events.list().data[0].type == "account.updated"
    charge()
    local.advance(days=10)
    assert (api.payouts.list().data, held(api)) == ([], 2500 - 58)
    local.post("settings", payouts_enabled=1)
    local.advance(days=10)
    assert held(api) == 0


def test_movements_are_found_by_source_type_currency_and_time(
    api: Any, local: Local, charge: Any
) -> None:
    paid = charge()
    api.refunds.create({"charge": paid.id, "amount": 100})
    assert [each.type for each in moved(api, source=paid.id)] == ["charge"]
    assert [each.type for each in moved(api, type="refund")] == ["refund"]
    assert moved(api, currency="eur") == []
    assert moved(api, created={"gt": local.state()["now"]}) == []


def test_money_that_becomes_available_is_told_once_however_many_payments_it_was(
    api: Any, local: Local, charge: Any
) -> None:
    charge()
    charge()
    local.advance(days=7)
    assert [e.type for e in api.events.list({"type": "balance.available"}).data] == [
        "balance.available"
    ]
    assert api.balance.retrieve().available[0].amount == 2 * (2500 - 58)
