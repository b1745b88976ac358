"""Work owed and done: Stripe's events, mail, staff tasks, the audit trail, limits, schedules."""

import enum
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Base, BigId, Instant, one_of
from billing.models.base import Owed, instant, instant_or_none


class Feed(enum.StrEnum):
    """By which way we came to look at something of Stripe's."""

    WEBHOOK = "webhook"  # Stripe told us
    EVENTS = "events"  # we read Stripe's list of events, and found one we had not been told
    SWEEP = "sweep"  # we compared everything with everything
    LOOK = "look"  # a reader was about to be refused
    RETURN = "return"  # the reader came back from paying
    HAND = "hand"  # a person asked for it
    ADOPTION = "adoption"  # we took over an account that had a life before us


class StripeEvent(Owed, Base):
    """Something Stripe said, kept as it came. An event is a hint to look again.

    Attributes:
        account: '' for our own account, so that the unique pair holds for ordinary events too.
        subject: what it tells us to look at, as kind and id; '' for nothing. One look answers
            every event of one subject that was here before the look began.
        feed: how we first heard of it: told by Stripe, or found in Stripe's list.
        outcome: how it ended: `applied`, `ignored: …` or `quarantined: …`; '' until then.
    """

    __tablename__ = "stripe_event"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    account: Mapped[str] = mapped_column(String(255), default="")
    event_id: Mapped[str] = mapped_column(String(255))
    type: Mapped[str] = mapped_column(String(100))
    object_id: Mapped[str] = mapped_column(String(255), default="", index=True)
    subject: Mapped[str] = mapped_column(String(300), default="", server_default="")
    feed: Mapped[Feed] = mapped_column(
        one_of(Feed), default=Feed.WEBHOOK, server_default=Feed.WEBHOOK
    )
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
        Index("ix_stripe_event_subject", "subject", "state"),
        Index("ix_stripe_event_received_at", "received_at"),
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


class ReaderLook(Owed, Base):
    """A look at Stripe we owe a reader who was about to be refused; one a day for each."""

    __tablename__ = "reader_look"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    reader_id: Mapped[UUID] = mapped_column(ForeignKey("reader.id"))
    day: Mapped[date]
    asked_at: Mapped[datetime] = instant()

    __table_args__ = (
        UniqueConstraint("reader_id", "day"),
        Index("ix_reader_look_due", "state", "run_at"),
    )


class Repair(Base):
    """One thing in which we differed from Stripe until we looked, and which feed had us look.

    Attributes:
        kind, object_id: the object at Stripe.
        found: each field that differed, with ours and theirs as they were.
    """

    __tablename__ = "repair"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant(), index=True)
    feed: Mapped[Feed] = mapped_column(one_of(Feed))
    kind: Mapped[str] = mapped_column(String(40))
    object_id: Mapped[str] = mapped_column(String(255))
    found: Mapped[list[dict[str, Any]]] = mapped_column(JSON)


class Verification(Base):
    """What one comparison of everything with Stripe said; kept, one a day and more.

    Attributes:
        differences: how many there were; nought is what it should be.
        report: what was compared, counted and found, as it was printed.
    """

    __tablename__ = "verification"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant(), index=True)
    differences: Mapped[int]
    report: Mapped[dict[str, Any]] = mapped_column(JSON)


class ForeignObject(Base):
    """Something on our Stripe account that is not ours: it is counted, and nothing else."""

    __tablename__ = "foreign_object"
    object_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    seen_at: Mapped[datetime] = instant()


class Heartbeat(Base):
    """When a worker was last seen alive."""

    __tablename__ = "heartbeat"
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    at: Mapped[datetime] = instant()
