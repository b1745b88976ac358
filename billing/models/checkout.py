"""What we asked of Stripe: checkouts, outbound commands, and who is looking at what."""

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Base, Instant, one_of
from billing.models.base import instant, instant_or_none, new_id
from billing.money import Money


class CheckoutKind(enum.StrEnum):
    """What a checkout is for."""

    SUBSCRIPTION = "subscription"
    DONATION = "donation"


class CheckoutStatus(enum.StrEnum):
    """Where a checkout stands; `billing.checkout` moves it."""

    OPEN = "open"
    AWAITING_BANK = "awaiting_bank"  # agreed, but the money is not certain yet
    SETTLED = "settled"
    EXPIRED = "expired"
    FAILED = "failed"


class Checkout(Base):
    """Our record of one Stripe Checkout session, written before Stripe is asked.

    Attributes:
        item: the price's lookup key, or the appeal's key.
        shown: the texts and figures the reader had before them when they agreed, kept as evidence.
        browser_hash: of the HttpOnly cookie set at the start; the return must bring it back.
        signed_in_at: when the return signed that browser in; it does so once.
    """

    __tablename__ = "checkout"
    id: Mapped[UUID] = new_id()
    kind: Mapped[CheckoutKind] = mapped_column(one_of(CheckoutKind))
    status: Mapped[CheckoutStatus] = mapped_column(
        one_of(CheckoutStatus), default=CheckoutStatus.OPEN
    )
    reader_id: Mapped[UUID | None] = mapped_column(ForeignKey("reader.id"), index=True)
    plan: Mapped[str] = mapped_column(String(60), default="")
    item: Mapped[str] = mapped_column(String(200))
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3), default="gbp")
    source: Mapped[str] = mapped_column(String(200), default="")  # the article that led here
    shown: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    browser_hash: Mapped[str] = mapped_column(String(64))
    stripe_session_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    stripe_url: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = instant()
    expires_at: Mapped[datetime] = instant()
    settled_at: Mapped[datetime | None] = instant_or_none()
    signed_in_at: Mapped[datetime | None] = instant_or_none()

    __table_args__ = (
        Index(
            "uq_checkout_one_open",
            "reader_id",
            "plan",
            unique=True,
            postgresql_where=text("status = 'open' AND kind = 'subscription'"),
            sqlite_where=text("status = 'open' AND kind = 'subscription'"),
        ),
        Index("ix_checkout_status", "status", "created_at"),
    )

    @property
    def money(self) -> Money:
        """What the reader agreed to pay now."""
        return Money(self.amount, self.currency)


class CommandState(enum.StrEnum):
    """Where an outbound command stands. Unknown is a state: it is resolved by looking."""

    READY = "ready"
    UNKNOWN = "unknown"
    DONE = "done"
    REFUSED = "refused"
    ABANDONED = "abandoned"  # it never happened, and nobody waits for it any more


class Command(Base):
    """Something we asked of Stripe: parameters, version and key frozen before the call.

    Attributes:
        next_try_at: when whoever resolves unknown outcomes looks at it next.
    """

    __tablename__ = "command"
    id: Mapped[UUID] = new_id()
    kind: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(255), index=True)  # the row or object it is about
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    api_version: Mapped[str] = mapped_column(String(60))
    idempotency_key: Mapped[str] = mapped_column(String(255), unique=True)
    state: Mapped[CommandState] = mapped_column(one_of(CommandState), default=CommandState.READY)
    attempts: Mapped[int] = mapped_column(default=0)
    stripe_object_id: Mapped[str] = mapped_column(String(255), default="")
    last_error: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = instant()
    done_at: Mapped[datetime | None] = instant_or_none()
    next_try_at: Mapped[datetime | None] = instant_or_none()

    __table_args__ = (Index("ix_command_state", "state", "created_at"),)


class ObjectLease(Base):
    """Who is looking at one Stripe object, and how often anybody ever began to.

    Attributes:
        gone_at: when Stripe said it has no such object (any more). What is gone stays gone.
    """

    __tablename__ = "object_lease"
    object_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    leased_until: Mapped[datetime | None] = mapped_column(Instant())
    gone_at: Mapped[datetime | None] = instant_or_none()
