"""Every mail, with what it may leave out and without; the settings they are written by."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from pydantic import SecretStr

from billing.money import Money
from billing.notices import (
    DonationThanks,
    MandateEnded,
    Notice,
    PaymentActionNeeded,
    PaymentFailed,
    PaymentReceipt,
    Receipt,
    RefundMade,
    RenewalComing,
    SignIn,
    SubscriptionEnded,
    SubscriptionEnding,
)
from billing.settings import Settings, Society
from emails.preview import samples

SETTINGS = Settings(
    public_url="https://support.example.org/",
    secret_key=SecretStr("only-for-tests-only-for-tests-only-for-tests"),
)
REAL = SETTINGS.model_copy(
    update={"society": Society(vat_number="GB 987654321", phone="020 7946 0000")}
)
SAMPLES = {notice.kind: notice for notice in samples(SETTINGS)}
DAY = date(2026, 11, 23)
GIFT_AID = (
    "The People's Press Printing Society Limited is not a charity;"
    " this gift does not qualify for Gift Aid."
)


def receipt(**changed: object) -> Receipt:
    return Receipt.model_validate(
        {
            "number": "S-000007",
            "paid_on": DAY,
            "payer_name": "Rosa Williams",
            "item": "Digital subscription",
            "amount": Money(5_49),
            "vat": "VAT zero-rated (0%): £0.00",
            "method": "visa ending 4242",
            "period_starts": DAY,
            "period_ends": date(2026, 12, 22),
        }
        | changed
    )


def debit(**changed: object) -> Notice:
    return SAMPLES["debit_agreed"].model_copy(update=changed)


def started(**changed: object) -> Notice:
    return SAMPLES["subscription_started"].model_copy(update=changed)


def every_shape() -> Iterator[Notice]:
    """Every sample, and every kind again with what it may leave out left out."""
    yield from SAMPLES.values()
    bare = receipt(payer_name="", method="", period_starts=None, period_ends=None)
    yield SignIn(link="https://x.example/1", code="", expires_at=datetime.now(UTC), office=True)
    yield debit(account="", renews_on=None)
    yield started(confirmed=True)
    yield started(confirmed=True, renews_on=None, cooling_off_ends=None)
    yield PaymentReceipt(receipt=bare, plan="Digital", renews_on=None)
    yield PaymentReceipt(receipt=bare, plan="Digital", renews_on=DAY)
    yield DonationThanks(receipt=bare, appeal="Fighting Fund")
    yield PaymentFailed(
        plan="Digital",
        amount=Money(5_49),
        attempt=1,
        pay_link="",
        access_until=DAY,
        next_attempt_on=None,
    )
    yield PaymentFailed(
        plan="Digital",
        amount=Money(5_49),
        attempt=1,
        pay_link="https://x.example/2",
        access_until=None,
        next_attempt_on=DAY,
    )
    yield PaymentActionNeeded(plan="Digital", amount=Money(5_49), pay_link="", access_until=None)
    yield RenewalComing(
        plan="Digital",
        amount=Money(5_49),
        interval="month",
        renews_on=DAY,
        method="",
        trial=True,
    )
    yield MandateEnded(plan="Digital", account="", amount=Money(5_49))
    yield SubscriptionEnding(plan="Digital", ends_on=DAY, next_payment_on=DAY)
    yield SubscriptionEnding(plan="Digital", ends_on=DAY, asked_for=True)
    yield SubscriptionEnding(plan="Digital", ends_on=DAY, on_hold=True)
    yield SubscriptionEnded(plan="Digital", ended_on=DAY, unpaid=True)
    yield SubscriptionEnded(plan="Digital", ended_on=DAY, unpaid=True, days_left=True)
    yield PaymentReceipt(receipt=bare, plan="Digital", renews_on=None, unsaid=True)
    yield PaymentReceipt(receipt=bare, plan="Digital", renews_on=None, ended=True)
    yield PaymentReceipt(receipt=bare, plan="Digital", renews_on=None, ended=True, late=True)
    for owed in ("payment_failed", "payment_action_needed"):
        yield SAMPLES[owed].model_copy(update={"paid_up": True})
    yield RefundMade(
        amount=Money(1_00),
        item="Donation",
        paid_on=DAY,
        refunded_on=DAY,
        method="",
        receipt_number="",
    )


def named(value: object) -> str:
    return value.kind if isinstance(value, Notice) else ""


shapes = pytest.mark.parametrize("notice", list(every_shape()), ids=named)
both = pytest.mark.parametrize("settings", [SETTINGS, REAL], ids=["placeholders", "real"])
