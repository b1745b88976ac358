"""What people must be told: one frozen class each. Their words live in `emails/templates`.

A notice carries everything its mail says, so that the mail can be written long after the fact and
still be true of it. Money and dates are carried as values; the templates write them out.
"""

from datetime import date, datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from billing.money import Money


class Notice(BaseModel):
    """Something one person must be told, once."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: ClassVar[str]
    secret: ClassVar[bool] = False  # it opens a door: forgotten as soon as it is sent or given up


class Receipt(BaseModel):
    """What a receipt must show of one payment.

    Attributes:
        period_ends: the last day a subscription payment pays for; None for a gift.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    number: str
    paid_on: date
    payer_name: str
    item: str
    amount: Money
    vat: str  # the treatment in words: "Zero-rated: £0.00", or "Donation: outside the scope of VAT"
    method: str
    period_starts: date | None = None
    period_ends: date | None = None


class SignIn(Notice):
    """Somebody asked to sign in with this address."""

    kind: ClassVar[str] = "sign_in"
    secret: ClassVar[bool] = True
    link: str
    code: str  # '' where only the link works
    expires_at: datetime
    office: bool = False


class DebitAgreed(Notice):
    """A subscription is agreed and read, while a bank works on its first payment.

    Carries the terms agreed to: they are confirmed before reading begins, and not with the money.

    Attributes:
        amount: what the bank is asked for.
        account: as the reader knows it, such as "Bank account ending 2345"; '' for unknown.
        renews_on: when the next payment is taken; None where it ends instead.

    Source: https://www.legislation.gov.uk/uksi/2013/3134/regulation/16
    """

    kind: ClassVar[str] = "debit_agreed"
    amount: Money
    account: str
    plan: str
    price: Money
    interval: str
    agreed_on: date
    renews_on: date | None
    cooling_off_ends: date


class SubscriptionStarted(Notice):
    """The first payment arrived. Carries the first receipt and the terms agreed to.

    Attributes:
        agreed_on: the contract's day; None in what was owed before this was kept.
        renews_on: when the next payment is taken; None where it ends instead.
        unsaid: nobody can say when: it is on hold, or another payment is overdue.
        cooling_off_ends: None where the reader was told of that day, and it is past.
        confirmed: the terms were told days before, as `DebitAgreed`.
    """

    kind: ClassVar[str] = "subscription_started"
    receipt: Receipt
    plan: str
    price: Money
    interval: str
    agreed_on: date | None = None
    renews_on: date | None
    unsaid: bool = False
    cooling_off_ends: date | None
    confirmed: bool = False


class PaymentReceipt(Notice):
    """A subscription's payment arrived.

    Attributes:
        renews_on: when the next payment is taken; None where it ends instead.
        unsaid: nobody can say when: it is on hold, or another payment is overdue.
        price: what the next payment will be, where we know.
        ended: the subscription is over.
        late: it was over before the payment arrived, which opens nothing by itself.
    """

    kind: ClassVar[str] = "payment_receipt"
    receipt: Receipt
    plan: str
    renews_on: date | None
    unsaid: bool = False
    price: Money | None = None
    ended: bool = False
    late: bool = False


class DonationThanks(Notice):
    """A gift arrived. This is its receipt."""

    kind: ClassVar[str] = "donation_thanks"
    receipt: Receipt
    appeal: str


class PaymentFailed(Notice):
    """A payment for a subscription could not be taken.

    Attributes:
        pay_link: Stripe's page for exactly this payment; '' where there is none.
        access_until: until when the paper stays open; None where it is not open now.
        paid_up: the period is paid, and this is owed beside it.
    """

    kind: ClassVar[str] = "payment_failed"
    plan: str
    amount: Money
    attempt: int
    pay_link: str
    access_until: date | None
    next_attempt_on: date | None
    paid_up: bool = False


class PaymentActionNeeded(Notice):
    """The payer's bank wants them to confirm a payment for a subscription.

    Attributes:
        pay_link: Stripe's page, where it is confirmed.
        access_until: until when the paper stays open; None where it is not open now.
        paid_up: the period is paid, and this is owed beside it.
    """

    kind: ClassVar[str] = "payment_action_needed"
    plan: str
    amount: Money
    pay_link: str
    access_until: date | None
    paid_up: bool = False


class RenewalComing(Notice):
    """A yearly subscription renews soon, or a trial ends and the first payment is taken.

    Attributes:
        amount: what will be taken.
        method: what from; '' where we do not know.
        trial: whether it is the end of a trial.
    """

    kind: ClassVar[str] = "renewal_coming"
    plan: str
    amount: Money
    interval: str
    renews_on: date
    method: str
    trial: bool


class MandateEnded(Notice):
    """The reader's bank takes no more Direct Debits for a subscription that goes on.

    Attributes:
        account: as the reader knows it, such as "Bank account ending 2345"; '' for unknown.
        amount: what each payment is.
    """

    kind: ClassVar[str] = "mandate_ended"
    plan: str
    account: str
    amount: Money


class GiftFailed(Notice):
    """A gift was agreed, and the giver's bank did not pay it.

    Attributes:
        link: where it can be given another way.
    """

    kind: ClassVar[str] = "gift_failed"
    appeal: str
    amount: Money
    link: str


class SubscriptionEnding(Notice):
    """The end of the subscription is decided; it runs until then.

    Attributes:
        next_payment_on: where the end is further off than the period: when it is paid once more.
        asked_for: a payment was asked for that may still be taken.
        on_hold: nothing is taken meanwhile, and nothing is promised.
    """

    kind: ClassVar[str] = "subscription_ending"
    plan: str
    ends_on: date
    next_payment_on: date | None = None
    asked_for: bool = False
    on_hold: bool = False


class SubscriptionEnded(Notice):
    """The subscription is over.

    Attributes:
        unpaid: it ended because a payment could not be taken.
        days_left: it ended before what is paid for does, and staff are asked to make that good.
    """

    kind: ClassVar[str] = "subscription_ended"
    plan: str
    ended_on: date
    unpaid: bool
    days_left: bool = False


class RefundMade(Notice):
    """Money is on its way back to the payer."""

    kind: ClassVar[str] = "refund_made"
    amount: Money
    item: str
    paid_on: date
    refunded_on: date
    method: str
    receipt_number: str


KINDS: dict[str, type[Notice]] = {
    notice.kind: notice
    for notice in (
        SignIn,
        DebitAgreed,
        SubscriptionStarted,
        PaymentReceipt,
        DonationThanks,
        PaymentFailed,
        PaymentActionNeeded,
        RenewalComing,
        MandateEnded,
        GiftFailed,
        SubscriptionEnding,
        SubscriptionEnded,
        RefundMade,
    )
}
