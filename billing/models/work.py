"""Work owed and done: Stripe's events, mail, staff tasks, the audit trail, limits, schedules."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Base, BigId, Instant
from billing.models.base import Owed, instant, instant_or_none


class StripeEvent(Owed, Base):
    """Something Stripe said, kept as it came. An event is a hint to look again.

    Attributes:
        account: '' for our own account, so that the unique pair holds for ordinary events too.
        outcome: how it ended: `applied`, `ignored: …` or `quarantined: …`; '' until then.
    """

    __tablename__ = "stripe_event"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    account: Mapped[str] = mapped_column(String(255), default="")
    event_id: Mapped[str] = mapped_column(String(255))
    type: Mapped[str] = mapped_column(String(100))
    object_id: Mapped[str] = mapped_column(String(255), default="", index=True)
    api_version: Mapped[str] = mapped_column(String(60), default="")
    livemode: Mapped[bool]
    created_at: Mapped[datetime] = instant()
    received_at: Mapped[datetime] = instant()
    headers: Mapped[dict[str, Any]] = mapped_column(JSON)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    outcome: Mapped[str] = mapped_column(String(300), default="")

    __table_args__ = (
        UniqueConstraint("account", "event_id"),
        Index("ix_stripe_event_due", "state", "run_at"),
    )


class OutboxMessage(Owed, Base):
    """A notice owed to somebody, written in the transaction of the fact it tells.

    Attributes:
        kind, fact: the notice and the fact it is about; the pair is unique: one mail per fact.
        payload: the notice's fields.
        message_id: the Message-ID every attempt carries.
    """

    __tablename__ = "outbox_message"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(60))
    fact: Mapped[str] = mapped_column(String(255))
    to_address: Mapped[str] = mapped_column(String(254))
    reader_id: Mapped[UUID | None]
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    message_id: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = instant()
    sent_at: Mapped[datetime | None] = instant_or_none()

    __table_args__ = (
        UniqueConstraint("kind", "fact"),
        Index("ix_outbox_message_due", "state", "run_at"),
    )


class Task(Base):
    """Something the staff must look at; raised once for each subject."""

    __tablename__ = "task"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(255))
    detail: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = instant()
    closed_at: Mapped[datetime | None] = instant_or_none()

    __table_args__ = (UniqueConstraint("kind", "subject"),)


class AuditRecord(Base):
    """Who did what, and when. Append-only."""

    __tablename__ = "audit_record"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime] = instant()
    actor: Mapped[str] = mapped_column(String(255))  # `staff:<id>`, `reader:<id>`, `command line`
    action: Mapped[str] = mapped_column(String(100))
    subject: Mapped[str] = mapped_column(String(255))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class RateLimit(Base):
    """How often something was tried in a window, across every process."""

    __tablename__ = "rate_limit"
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    count: Mapped[int]
    expires_at: Mapped[datetime] = mapped_column(Instant(), index=True)


class Schedule(Base):
    """When a repeating job runs next; one process of many moves it on, and so runs it."""

    __tablename__ = "schedule"
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    next_run: Mapped[datetime] = instant()
    last_run: Mapped[datetime | None] = instant_or_none()


class Cursor(Base):
    """How far a walk along something of Stripe's has come."""

    __tablename__ = "cursor"
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    at: Mapped[datetime] = instant()


class Heartbeat(Base):
    """When a worker was last seen alive."""

    __tablename__ = "heartbeat"
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    at: Mapped[datetime] = instant()
