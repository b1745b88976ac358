"""A sample of every mail, for the office to read before any reader does."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final

from billing.money import Money
from billing.notices import (
    DebitAgreed,
    DonationThanks,
    GiftFailed,
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
    SubscriptionStarted,
)
from billing.settings import Settings
from emails.compose import Composed, compose

_PLAN: Final = "Digital subscription"
_PRICE: Final = Money(5_49)
_SUBSCRIPTION: Final = Receipt(
    number="S-000123",
    paid_on=date(2026, 11, 23),
    payer_name="Rosa Williams",
    item=_PLAN,
    amount=_PRICE,
    vat="VAT zero-rated (0%): £0.00",
    method="visa ending 4242",
    period_starts=date(2026, 11, 23),
    period_ends=date(2026, 12, 22),
)
_GIFT: Final = Receipt(
    number="D-000456",
    paid_on=date(2026, 11, 23),
    payer_name="Rosa Williams",
    item="Donation to The 95th Anniversary Appeal",
    amount=Money(25_00),
    vat="Donation: outside the scope of VAT",
    method="visa ending 4242",
)


def samples(settings: Settings) -> list[Notice]:
    """Return one notice of every kind."""
    site = settings.public_url.rstrip("/")
    return [
        SignIn(
            link=f"{site}/sign-in/this-is-only-a-sample",
            code="482913",
            expires_at=datetime(2026, 11, 23, 10, 20, tzinfo=UTC),
        ),
        DebitAgreed(
            amount=_PRICE,
            account="Bank account ending 2345",
            plan=_PLAN,
            price=_PRICE,
            interval="month",
            agreed_on=date(2026, 11, 23),
            renews_on=date(2026, 12, 23),
            cooling_off_ends=date(2026, 12, 7),
        ),
        SubscriptionStarted(
            receipt=_SUBSCRIPTION,
            plan=_PLAN,
            price=_PRICE,
            interval="month",
            agreed_on=date(2026, 11, 23),
            renews_on=date(2026, 12, 23),
            cooling_off_ends=date(2026, 12, 7),
        ),
        PaymentReceipt(
            receipt=_SUBSCRIPTION, plan=_PLAN, renews_on=date(2026, 12, 23), price=_PRICE
        ),
        DonationThanks(receipt=_GIFT, appeal="The 95th Anniversary Appeal"),
        RenewalComing(
            plan=_PLAN,
            amount=Money(54_90),
            interval="year",
            renews_on=date(2026, 12, 7),
            method="Visa ending 4242",
            trial=False,
        ),
        *_troubles(site),
        SubscriptionEnding(plan=_PLAN, ends_on=date(2026, 12, 23)),
        SubscriptionEnded(plan=_PLAN, ended_on=date(2026, 12, 23), unpaid=False),
        RefundMade(
            amount=_PRICE,
            item=_PLAN,
            paid_on=date(2026, 11, 23),
            refunded_on=date(2026, 11, 27),
            method="visa ending 4242",
            receipt_number="S-000123",
        ),
    ]


def _troubles(site: str) -> list[Notice]:
    """Return what is said when money did not come."""
    return [
        PaymentFailed(
            plan=_PLAN,
            amount=_PRICE,
            attempt=2,
            pay_link="https://invoice.stripe.com/i/this-is-only-a-sample",
            access_until=date(2027, 1, 6),
            next_attempt_on=date(2026, 12, 28),
        ),
        PaymentActionNeeded(
            plan=_PLAN,
            amount=_PRICE,
            pay_link="https://invoice.stripe.com/i/this-is-only-a-sample",
            access_until=date(2027, 1, 6),
        ),
        MandateEnded(plan=_PLAN, account="Bank account ending 2345", amount=_PRICE),
        GiftFailed(
            appeal="The 95th Anniversary Appeal",
            amount=Money(25_00),
            link=f"{site}/appeals/95th-anniversary",
        ),
    ]


def previews(settings: Settings) -> Mapping[str, Composed]:
    """Return every mail with sample values, by its kind."""
    return {notice.kind: compose(notice, settings) for notice in samples(settings)}
