"""Money that moved: payments, refunds, what Stripe's balance says of them, gifts and receipts."""

import enum
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Base, Instant, one_of
from billing.models.base import instant, instant_or_none, new_id
from billing.money import Money


class PaymentPurpose(enum.StrEnum):
    """What a payment is for; foreign money is somebody else's on the same Stripe account."""

    DONATION = "donation"
    SUBSCRIPTION = "subscription"
    FOREIGN = "foreign"


class PaymentStatus(enum.StrEnum):
    """How a payment stands, in few words: Stripe's payment intent, read again."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class Payment(Base):
    """One Stripe payment intent and its charge, as last read.

    Attributes:
        stripe_payment_intent_id: the charge's own id where money was taken without an intent.
        fund: where a donation is booked; '' otherwise.
        plan: what a subscription payment buys; '' otherwise.
        account_code: the income account it is posted to.
        refunded_amount: the sum of its refunds that did not fail.
        balance_transaction_id: '' until Stripe has one; such payments are polled.
    """

    __tablename__ = "payment"
    id: Mapped[UUID] = new_id()
    stripe_payment_intent_id: Mapped[str] = mapped_column(String(255), unique=True)
    stripe_charge_id: Mapped[str] = mapped_column(String(255), default="", index=True)
    stripe_invoice_id: Mapped[str] = mapped_column(String(255), default="", index=True)
    stripe_subscription_id: Mapped[str] = mapped_column(String(255), default="", index=True)
    stripe_customer_id: Mapped[str] = mapped_column(String(255), default="", index=True)
    checkout_id: Mapped[UUID | None] = mapped_column(ForeignKey("checkout.id"), index=True)
    reader_id: Mapped[UUID | None] = mapped_column(ForeignKey("reader.id"), index=True)
    purpose: Mapped[PaymentPurpose] = mapped_column(one_of(PaymentPurpose))
    fund: Mapped[str] = mapped_column(String(60), default="")
    plan: Mapped[str] = mapped_column(String(60), default="")
    account_code: Mapped[str] = mapped_column(ForeignKey("account.code"))
    status: Mapped[PaymentStatus] = mapped_column(one_of(PaymentStatus))
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    refunded_amount: Mapped[int] = mapped_column(BigInteger, default=0)
    balance_transaction_id: Mapped[str] = mapped_column(String(255), default="")
    payer_name: Mapped[str] = mapped_column(String(200), default="")
    payer_email: Mapped[str] = mapped_column(String(254), default="")
    payer_country: Mapped[str] = mapped_column(String(2), default="")
    method: Mapped[str] = mapped_column(String(60), default="")  # such as "visa ending 4242"
    failure: Mapped[str] = mapped_column(String(300), default="")
    created_at: Mapped[datetime] = instant()
    paid_at: Mapped[datetime | None] = mapped_column(Instant(), index=True)

    __table_args__ = (Index("ix_payment_status", "status", "balance_transaction_id"),)

    @property
    def money(self) -> Money:
        """What was paid, before refunds and fees."""
        return Money(self.amount, self.currency)


class RefundStatus(enum.StrEnum):
    """Stripe's words."""

    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class Refund(Base):
    """Money given back from one payment."""

    __tablename__ = "refund"
    id: Mapped[UUID] = new_id()
    stripe_refund_id: Mapped[str] = mapped_column(String(255), unique=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), index=True)
    status: Mapped[RefundStatus] = mapped_column(one_of(RefundStatus))
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    reason: Mapped[str] = mapped_column(String(100), default="")
    created_at: Mapped[datetime] = instant()

    @property
    def money(self) -> Money:
        """What was given back."""
        return Money(self.amount, self.currency)


class DisputeStatus(enum.StrEnum):
    """Stripe's words, and one of ours for a word Stripe has yet to invent.

    Source: https://docs.stripe.com/api/disputes/object#dispute_object-status
    """

    WARNING_NEEDS_RESPONSE = "warning_needs_response"
    WARNING_UNDER_REVIEW = "warning_under_review"
    WARNING_CLOSED = "warning_closed"
    NEEDS_RESPONSE = "needs_response"
    UNDER_REVIEW = "under_review"
    WON = "won"
    LOST = "lost"
    PREVENTED = "prevented"
    APPEAL_NEEDS_RESPONSE = "appeal_needs_response"
    APPEAL_UNDER_REVIEW = "appeal_under_review"
    UNKNOWN = "unknown"


class Dispute(Base):
    """A payer's bank takes money back, or asks about it first.

    Attributes:
        payment_id: None where we never saw the payment, or Stripe has no intent for it.
        due_by: until when it may be answered; None where nothing can be answered.
    """

    __tablename__ = "dispute"
    id: Mapped[UUID] = new_id()
    stripe_dispute_id: Mapped[str] = mapped_column(String(255), unique=True)
    stripe_charge_id: Mapped[str] = mapped_column(String(255), default="")
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment.id"), index=True)
    status: Mapped[DisputeStatus] = mapped_column(one_of(DisputeStatus))
    reason: Mapped[str] = mapped_column(String(100), default="")
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    due_by: Mapped[datetime | None] = instant_or_none()
    created_at: Mapped[datetime] = instant()

    @property
    def money(self) -> Money:
        """What is disputed."""
        return Money(self.amount, self.currency)


class PayoutStatus(enum.StrEnum):
    """Stripe's words, and one of ours for a word Stripe has yet to invent.

    Source: https://docs.stripe.com/api/payouts/object#payout_object-status
    """

    PENDING = "pending"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    FAILED = "failed"
    CANCELED = "canceled"
    UNKNOWN = "unknown"


class Payout(Base):
    """Money on its way from Stripe to the society's bank.

    Attributes:
        automatic: whether Stripe can say which movements it is made of.
        arrives_on: the day Stripe expects it at the bank.
        tied_at: when its movements were listed and added up; None until Stripe can list them.
        residual: what it carries beyond the sum of its movements, in pence; nought ties.
    """

    __tablename__ = "payout"
    id: Mapped[UUID] = new_id()
    stripe_payout_id: Mapped[str] = mapped_column(String(255), unique=True)
    status: Mapped[PayoutStatus] = mapped_column(one_of(PayoutStatus))
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    automatic: Mapped[bool]
    arrives_on: Mapped[date]
    failure: Mapped[str] = mapped_column(String(300), default="")
    created_at: Mapped[datetime] = instant()
    tied_at: Mapped[datetime | None] = instant_or_none()
    residual: Mapped[int | None] = mapped_column(BigInteger)

    @property
    def money(self) -> Money:
        """What it carries."""
        return Money(self.amount, self.currency)


class PaymentMethod(Base):
    """What a customer pays from: a card, or a bank account with its Direct Debit mandate.

    Attributes:
        kind: Stripe's word, such as `card` or `bacs_debit`.
        label: as a person knows it, such as "Visa ending 4242".
        expires_on: the last day of a card; None for what does not expire.
        mandate_status: active, pending or inactive; '' for what has no mandate.
    """

    __tablename__ = "payment_method"
    stripe_payment_method_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    stripe_customer_id: Mapped[str] = mapped_column(String(255), default="", index=True)
    kind: Mapped[str] = mapped_column(String(40))
    label: Mapped[str] = mapped_column(String(60), default="")
    expires_on: Mapped[date | None]
    mandate_id: Mapped[str] = mapped_column(String(255), default="", index=True)
    mandate_status: Mapped[str] = mapped_column(String(20), default="")
    seen_at: Mapped[datetime] = instant()


class BalanceTransaction(Base):
    """One movement of our balance at Stripe, exactly as Stripe states it: the books' source.

    Attributes:
        payout_id: Stripe's id of the payout it went out with; '' until it is known.

    Source: https://docs.stripe.com/reports/balance-transaction-types
    """

    __tablename__ = "balance_transaction"
    stripe_balance_transaction_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    type: Mapped[str] = mapped_column(String(60))
    reporting_category: Mapped[str] = mapped_column(String(60))
    amount: Mapped[int] = mapped_column(BigInteger)
    fee: Mapped[int] = mapped_column(BigInteger)
    net: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    source_id: Mapped[str] = mapped_column(String(255), index=True)
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment.id"), index=True)
    refund_id: Mapped[UUID | None] = mapped_column(ForeignKey("refund.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(Instant(), index=True)
    available_on: Mapped[datetime | None] = instant_or_none()
    payout_id: Mapped[str] = mapped_column(String(255), default="", server_default="", index=True)

    __table_args__ = (CheckConstraint("net = amount - fee", name="net"),)


class Donation(Base):
    """Money given that buys nothing, once its payment succeeded."""

    __tablename__ = "donation"
    id: Mapped[UUID] = new_id()
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), unique=True)
    reader_id: Mapped[UUID | None] = mapped_column(ForeignKey("reader.id"), index=True)
    fund: Mapped[str] = mapped_column(String(60), index=True)
    appeal: Mapped[str] = mapped_column(String(60), default="", index=True)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    given_at: Mapped[datetime] = instant()


class Receipt(Base):
    """A receipt's number: without gaps in its series, and one for each payment.

    Series: `D` for donations, `S` for subscriptions; the two are never merged on one receipt.
    """

    __tablename__ = "receipt"
    series: Mapped[str] = mapped_column(String(10), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), unique=True)
    issued_at: Mapped[datetime] = instant()

    def __str__(self) -> str:
        return f"{self.series}-{self.number:06d}"


class ReceiptSeries(Base):
    """The last number given in a series; its row is the lock that keeps numbers without gaps."""

    __tablename__ = "receipt_series"
    series: Mapped[str] = mapped_column(String(10), primary_key=True)
    last_number: Mapped[int] = mapped_column(BigInteger, default=0)
