"""Paid by Direct Debit: agreed today, certain in days, and read meanwhile; each end it may have."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing import checkout, payments, reconciliation, sign_in
from billing.access import Reason
from billing.context import Context
from billing.errors import AwaitingBankError, PaymentDueError
from billing.models import (
    Command,
    Donation,
    Entitlement,
    Payment,
    PaymentMethod,
    PaymentStatus,
    SubscriptionStatus,
)
from billing.money import Money
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.sweep import sweep
from billing.web.render import write_day
from tests.billing.checkout.bank import agree, settle_again, wait_for_the_bank
from tests.support.pages import Page
from tests.support.stripe import LocalStripe
from tests.support.subscriber import (
    ENDS_MANDATE,
    NO_FUNDS,
    PAYS,
    by_bank,
    look,
    mail,
    mails,
    mirror,
    reason,
    rights,
    session_of,
    start,
    status_of,
)


def test_direct_debit_is_offered_only_where_the_settings_say_so(
    context: Context, stripe: LocalStripe
) -> None:
    stripe.control("settings", bacs_debit=1)

    by_card = session_of(start(context))

    offered = stripe.client.v1.checkout.sessions.retrieve(by_card).payment_method_types
    assert offered == ["card"]


def test_while_the_bank_works_one_reads_provisionally_and_a_receipt_comes_only_with_the_money(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = agree(by_debit, stripe, PAYS)

    ours = mirror(by_debit)
    assert status_of(by_debit, started) == "awaiting_bank"
    assert (ours.status, ours.paid_until) == (SubscriptionStatus.ACTIVE, ours.started_at)
    assert ours.provisional_until is not None
    assert ours.pay_url == ""
    assert reason(by_debit, ours.reader_id) is Reason.SUBSCRIBER
    assert "; runs until" in rights(by_debit)["subscription"].reason
    assert mails(by_debit) == ["debit_agreed"]
    with pytest.raises(AwaitingBankError):
        start(by_debit, reader_id=ours.reader_id)

    stripe.advance(days=14)

    assert settle_again(by_debit, started) == "settled"
    paid = look(by_debit)
    assert (paid.paid_until, paid.provisional_until) == (ours.provisional_until, None)
    assert "runs until" not in rights(by_debit)["subscription"].reason
    assert mails(by_debit) == ["debit_agreed", "subscription_started"]


def test_a_first_debit_that_fails_days_later_is_told_with_a_way_to_pay_and_opens_nothing_more(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = agree(by_debit, stripe, NO_FUNDS)
    ours = mirror(by_debit)

    assert wait_for_the_bank(by_debit, stripe, started) == "failed"

    failing = mirror(by_debit)
    assert failing.status is SubscriptionStatus.PAST_DUE
    told = mail(by_debit, "payment_failed")
    assert told["pay_link"] == failing.pay_url != ""
    assert "subscription_started" not in mails(by_debit)
    assert told["access_until"] is None
    assert rights(by_debit) == {}
    assert reason(by_debit, ours.reader_id) is Reason.LIMIT_REACHED
    with pytest.raises(PaymentDueError):
        start(by_debit, reader_id=ours.reader_id)
    with by_debit.db.reading() as session:
        assert PaymentStatus.SUCCEEDED not in set(session.scalars(sa.select(Payment.status)))


@pytest.mark.parametrize("after_retries", [1, 2])
def test_who_has_never_paid_reads_no_later_period_though_staff_give_the_first_up(
    by_debit: Context, stripe: LocalStripe, after_retries: int
) -> None:
    stripe.control("settings", after_retries=after_retries)
    started = agree(by_debit, stripe, NO_FUNDS)
    reader_id = mirror(by_debit).reader_id
    assert wait_for_the_bank(by_debit, stripe, started) == "failed"
    stripe.advance(days=32)  # the next period begins, asked for or left as a draft
    first = stripe.client.v1.invoices.list().data[-1]

    stripe.client.v1.invoices.void_invoice(str(first.id))

    assert look(by_debit).status.value in ("unpaid", "past_due")
    assert rights(by_debit) == {}
    assert reason(by_debit, reader_id) is Reason.LIMIT_REACHED


@pytest.mark.slow
def test_a_renewal_the_bank_works_on_is_no_failure(by_debit: Context, stripe: LocalStripe) -> None:
    started = agree(by_debit, stripe, PAYS)
    stripe.advance(days=14)
    settle_again(by_debit, started)
    first = look(by_debit)
    renews_in = first.paid_until - by_debit.clock.now()
    stripe.advance(seconds=int(renews_in.total_seconds()) + 7200)
    bill = stripe.client.v1.invoices.list({"limit": 1}).data[0]

    checkout.look_at_invoice(by_debit, str(bill.id))

    assert (bill.status, bill.attempt_count) == ("open", 1)
    renewing = mirror(by_debit)
    assert renewing.paid_until == first.paid_until
    assert (renewing.provisional_until or first.paid_until) > first.paid_until
    assert reason(by_debit, first.reader_id) is Reason.SUBSCRIBER
    assert mails(by_debit) == ["debit_agreed", "subscription_started"]

    stripe.advance(days=10)
    checkout.look_at_invoice(by_debit, str(bill.id))

    assert mirror(by_debit).paid_until == renewing.provisional_until
    assert mails(by_debit) == ["debit_agreed", "subscription_started", "payment_receipt"]


@pytest.mark.slow
def test_a_renewal_the_bank_works_on_lets_read_on_though_nothing_more_is_collected(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = agree(by_debit, stripe, PAYS)
    stripe.advance(days=14)
    settle_again(by_debit, started)
    first = look(by_debit)
    stripe.control("advance", to=int((first.paid_until + timedelta(hours=2)).timestamp()))
    pause: Any = {"pause_collection": {"behavior": "void"}}
    stripe.client.v1.subscriptions.update(first.stripe_subscription_id, pause)

    renewing = look(by_debit)

    assert renewing.collection_paused
    assert renewing.provisional_until is not None
    assert reason(by_debit, first.reader_id) is Reason.SUBSCRIBER
    stripe.advance(days=10)
    assert look(by_debit).paid_until == renewing.provisional_until


def test_an_incomplete_first_payment_is_awaited_while_the_bank_works_and_opens_nothing(
    by_debit: Context, stripe: LocalStripe
) -> None:
    """Stripe's own words allow for it: incomplete, while the payment is processing.

    Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
    """
    started = agree(by_debit, stripe, PAYS)
    ours = mirror(by_debit)
    stripe.rewrite(ours.stripe_subscription_id, status="incomplete")

    look(by_debit)

    assert settle_again(by_debit, started) == "awaiting_bank"
    assert rights(by_debit) == {}
    with pytest.raises(AwaitingBankError):
        start(by_debit, reader_id=ours.reader_id)


def test_who_comes_back_from_agreeing_to_a_debit_is_told_that_they_can_read_and_no_wrong_day(
    by_debit: Context, client: TestClient, stripe: LocalStripe
) -> None:
    started = agree(by_debit, stripe, PAYS)
    client.cookies.set("checkout", started.browser)

    said = Page(client.get(f"/checkout/{started.checkout_id}/thanks").text).words

    ours = mirror(by_debit)
    assert ours.provisional_until is not None
    assert "Your bank can take up to seven working days" in said
    assert "You can read everything meanwhile" in said
    assert f"Your next payment is £5.49 on {write_day(ours.provisional_until)}" in said
    assert "Your contract is on its way to the e-mail address you gave" in said
    assert "Your receipt follows once your bank has paid" in said
    assert write_day(ours.started_at) not in said
    assert "card" not in said
    now = by_debit.clock.now()
    with by_debit.db.unit_of_work() as session:
        token = sign_in.begin_session(session, reader_id=ours.reader_id, now=now)
    client.cookies.set("reader", token)
    account = Page(client.get("/account").text).words
    assert "Your payment is on its way: a bank can take up to seven working days" in account


def test_a_gift_by_debit_is_thanked_for_when_the_money_is_there_and_not_before(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = give(by_debit)
    by_bank(stripe, started.url, PAYS)

    assert settle_again(by_debit, started) == "awaiting_bank"
    assert mails(by_debit) == []
    stripe.advance(days=14)
    assert settle_again(by_debit, started) == "settled"

    assert mails(by_debit) == ["donation_thanks"]
    with by_debit.db.reading() as session:
        assert session.scalars(sa.select(Donation.amount)).all() == [25_00]


def test_a_gift_the_bank_does_not_pay_is_never_thanked_for_and_its_giver_told_once_how_to_retry(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = give(by_debit)
    by_bank(stripe, started.url, NO_FUNDS)
    checkout.settle(by_debit, session_of(started))
    stripe.advance(days=14)

    for _ in range(2):
        assert settle_again(by_debit, started) == "failed"

    assert mails(by_debit) == ["gift_failed"]
    told = mail(by_debit, "gift_failed")
    assert told["link"] == "http://localhost:8000/appeals/95th-anniversary"
    assert told["amount"]["amount"] == 25_00
    with by_debit.db.reading() as session:
        assert session.scalars(sa.select(Donation)).all() == []
        assert session.scalars(sa.select(Entitlement)).all() == []


def test_an_ended_mandate_is_told_once_and_we_attempt_nothing_then_or_when_the_next_is_due(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = agree(by_debit, stripe, PAYS)
    stripe.advance(days=14)
    settle_again(by_debit, started)
    with by_debit.db.reading() as session:
        known = session.scalars(sa.select(PaymentMethod)).one()
    assert known.label == "Bank account ending 2345"
    assert known.mandate_id != ""
    attempts = len(stripe.client.v1.payment_intents.list({"limit": 100}).data)
    stripe.control(f"mandates/{known.mandate_id}/cancel")

    for _ in range(3):
        payments.look_at_mandate(by_debit, known.mandate_id)
        look(by_debit)

    assert mails(by_debit) == ["debit_agreed", "subscription_started", "mandate_ended"]
    assert mail(by_debit, "mandate_ended")["account"] == "Bank account ending 2345"
    with by_debit.db.reading() as session:
        assert session.scalars(sa.select(PaymentMethod.mandate_status)).one() == "inactive"
    assert len(stripe.client.v1.payment_intents.list({"limit": 100}).data) == attempts
    due = mirror(by_debit).paid_until
    stripe.control("advance", to=int((due + timedelta(days=20)).timestamp()))
    sweep(by_debit, since=BEGINNING)
    reconciliation.finish_commands(by_debit)

    # Stripe itself tries as its account is set to; of ours is nothing but the page that was opened.
    with by_debit.db.reading() as session:
        assert session.scalars(sa.select(Command.kind)).all() == ["checkout.open"]
    assert mirror(by_debit).paid_until == due
    assert mails(by_debit).count("mandate_ended") == 1


def test_a_debit_whose_mandate_the_bank_ends_asks_for_another_way_to_pay(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = agree(by_debit, stripe, ENDS_MANDATE)
    with by_debit.db.reading() as session:
        mandate_id = session.scalars(sa.select(PaymentMethod.mandate_id)).one()
    wait_for_the_bank(by_debit, stripe, started)

    payments.look_at_mandate(by_debit, mandate_id)

    assert sorted(set(mails(by_debit))) == ["debit_agreed", "mandate_ended", "payment_failed"]


def give(context: Context) -> checkout.Started:
    return checkout.start_donation(
        context,
        appeal="95th-anniversary",
        amount=Money(25_00),
        reader_id=None,
        shown={},
        caller="192.0.2.1",
    )


def test_the_end_of_an_older_mandate_heard_again_changes_nothing_and_is_mailed_to_nobody(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = agree(by_debit, stripe, PAYS)
    stripe.advance(days=14)
    settle_again(by_debit, started)
    look(by_debit)
    newer = {"mandate_id": "mandate_newer", "mandate_status": "inactive"}
    with by_debit.db.unit_of_work() as session:
        older = session.scalars(sa.select(PaymentMethod.mandate_id)).one()
        session.execute(sa.update(PaymentMethod).values(**newer))
    stripe.control(f"mandates/{older}/cancel")
    told = mails(by_debit)

    payments.look_at_mandate(by_debit, older)

    assert mails(by_debit) == told
    with by_debit.db.reading() as session:
        assert session.scalars(sa.select(PaymentMethod.mandate_id)).one() == "mandate_newer"
