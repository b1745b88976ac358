"""What readers have agreed to pay."""

import enum
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Base, one_of
from billing.models.base import instant, instant_or_none, new_id
from billing.models.catalogue import Interval
from billing.money import Money


class SubscriptionStatus(enum.StrEnum):
    """Stripe's words, and one of ours for a word Stripe has yet to invent.

    Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
    """

    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    CANCELED = "canceled"
    UNKNOWN = "unknown"

    @property
    def ended(self) -> bool:
        """Whether it can never come back."""
        return self in (self.CANCELED, self.INCOMPLETE_EXPIRED)

    @property
    def live(self) -> bool:
        """Whether the reader has this subscription today: a second one would be a mistake."""
        return self not in (
            self.INCOMPLETE,
            self.INCOMPLETE_EXPIRED,
            self.CANCELED,
        )


class Subscription(Base):
    """What one reader has agreed to pay, and until when it is paid.

    Attributes:
        stripe_customer_id: who pays for it at Stripe.
        paid_until: the end of the last paid period; of one not paid for yet, its start.
        provisional_until: the end of a period Stripe lets run before its payment is certain.
        ends_on: when it ends, where that is already decided.
        past_due_since: since when nothing is paid that is owed for a period.
        collection_paused: Stripe makes its invoices but takes no money for them.
        payment_method_id: what its renewals are taken from; '' for the customer's own choice.
        pay_url: Stripe's page for the invoice that is still to be paid; '' for none.
    """

    __tablename__ = "subscription"
    id: Mapped[UUID] = new_id()
    reader_id: Mapped[UUID] = mapped_column(ForeignKey("reader.id"), index=True)
    stripe_subscription_id: Mapped[str] = mapped_column(String(255), unique=True)
    stripe_customer_id: Mapped[str] = mapped_column(
        String(255), default="", server_default="", index=True
    )
    checkout_id: Mapped[UUID | None] = mapped_column(ForeignKey("checkout.id"))
    status: Mapped[SubscriptionStatus] = mapped_column(one_of(SubscriptionStatus))
    plan: Mapped[str] = mapped_column(String(60))
    stripe_price_id: Mapped[str] = mapped_column(String(255))
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    interval: Mapped[Interval] = mapped_column(one_of(Interval))
    started_at: Mapped[datetime] = instant()
    paid_until: Mapped[datetime] = instant()
    provisional_until: Mapped[datetime | None] = instant_or_none()
    ends_on: Mapped[datetime | None] = instant_or_none()
    ended_at: Mapped[datetime | None] = instant_or_none()
    past_due_since: Mapped[datetime | None] = instant_or_none()
    collection_paused: Mapped[bool] = mapped_column(default=False, server_default=false())
    payment_method_id: Mapped[str] = mapped_column(String(255), default="", server_default="")
    pay_url: Mapped[str] = mapped_column(Text, default="", server_default="")

    @property
    def money(self) -> Money:
        """The price per interval."""
        return Money(self.amount, self.currency)

    @property
    def runs_until(self) -> datetime:
        """The end of the period it is in, paid or let run; then its renewal is asked for."""
        return self.provisional_until or self.paid_until

    @property
    def renews(self) -> bool:
        """Whether another period follows the one it is in."""
        return self.goes_on_after(self.runs_until)

    @property
    def asked_for(self) -> bool:
        """Whether a payment was asked for that may still be taken."""
        if self.collection_paused:
            return self.provisional_until is not None
        return bool(self.provisional_until or self.past_due_since or self.pay_url)

    def goes_on_after(self, instant: datetime) -> bool:
        """Whether another period follows one that ends then; its own end may be further off."""
        return not self.status.ended and (self.ends_on is None or self.ends_on > instant)
