"""Money that moved: payments, refunds, what Stripe's balance says of them, gifts and receipts."""

import enum
from datetime import datetime
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


class BalanceTransaction(Base):
    """One movement of our balance at Stripe, exactly as Stripe states it: the books' source.

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
