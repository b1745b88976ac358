"""Who may read: dated rights, the meter, and what opens the wall by the way.

What a process remembers of these tables it forgets at each change: triggers announce every one,
through NOTIFY on PostgreSQL, and as a row of `access_change` on SQLite, where nobody can listen.
"""

import enum
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Base, BigId, Instant, one_of
from billing.models.base import instant, instant_or_none, new_id


class EntitlementSource(enum.StrEnum):
    """Where a right to read comes from."""

    SUBSCRIPTION = "subscription"
    OFFLINE = "offline"  # paid for in print, or by another way than Stripe
    SEAT = "seat"  # one of those an organisation pays for
    GIFT = "gift"  # a subscription that somebody else paid
    COMP = "comp"  # the paper gives it
    STAFF = "staff"  # whoever works for the paper
    GRACE = "grace"
    PROVISIONAL = "provisional"


class Entitlement(Base):
    """A dated right to read, with its source and reason. Access is the union of a reader's rows.

    A row is never edited: what changes is superseded by a new row, so that what we knew at any
    past moment can still be told (`recorded_at` to `superseded_at`).

    Attributes:
        source_id: the row it comes from, such as the subscription's id.
        starts_at, ends_at: when it holds; no end where nothing limits it.
    """

    __tablename__ = "entitlement"
    id: Mapped[UUID] = new_id()
    reader_id: Mapped[UUID] = mapped_column(ForeignKey("reader.id"))
    source: Mapped[EntitlementSource] = mapped_column(one_of(EntitlementSource))
    source_id: Mapped[str] = mapped_column(String(255))
    reason: Mapped[str] = mapped_column(String(300))
    starts_at: Mapped[datetime] = instant()
    ends_at: Mapped[datetime | None] = instant_or_none()
    recorded_at: Mapped[datetime] = instant()
    superseded_at: Mapped[datetime | None] = mapped_column(Instant())

    __table_args__ = (
        Index(
            "uq_entitlement_current",
            "source",
            "source_id",
            unique=True,
            postgresql_where=text("superseded_at IS NULL"),
            sqlite_where=text("superseded_at IS NULL"),
        ),
        Index("ix_entitlement_reader_id", "reader_id", "superseded_at"),
    )


class Meter(Base):
    """The articles of one window that somebody without a right has opened; dies with the window.

    One row for each person, so that the database counts their requests one after another.

    Attributes:
        subject: `v:` and the visitor's id, or `r:` and the reader's.
        articles: keyed hashes of equal length, one behind the other; never a name.
    """

    __tablename__ = "meter"
    window: Mapped[str] = mapped_column(String(10), primary_key=True)
    subject: Mapped[str] = mapped_column(String(60), primary_key=True)
    articles: Mapped[str] = mapped_column(Text)


class MeterKey(Base):
    """What makes the hashes of one window, together with our secret; it dies with the window."""

    __tablename__ = "meter_key"
    window: Mapped[str] = mapped_column(String(10), primary_key=True)
    salt: Mapped[str] = mapped_column(String(64))


class MeterRead(Base):
    """An article as the release before counts it, one row each; it goes with the next release."""

    __tablename__ = "meter_read"
    window: Mapped[str] = mapped_column(String(10), primary_key=True)
    subject: Mapped[str] = mapped_column(String(60), primary_key=True)
    article_hash: Mapped[str] = mapped_column(String(32), primary_key=True)


class OpenTo(enum.StrEnum):
    """For whom the staff have opened the paper."""

    EVERYONE = "everyone"
    SUBSCRIBERS = "subscribers"  # whoever we last knew as one, even if their rights look ended now


class BreakGlass(Base):
    """A time in which the staff let people read whatever their rights say; it ends by itself.

    Attributes:
        ends_at: when it ends; closing it early moves this, and `closed_at` says when that was.
        planned_end: when it was to end, where it was closed early.
        opened_by, closed_by: who of the staff, as the audit trail names them.
    """

    __tablename__ = "break_glass"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    open_to: Mapped[OpenTo] = mapped_column(one_of(OpenTo))
    reason: Mapped[str] = mapped_column(String(300))
    opened_by: Mapped[str] = mapped_column(String(255))
    starts_at: Mapped[datetime] = instant()
    ends_at: Mapped[datetime] = instant()
    closed_at: Mapped[datetime | None] = instant_or_none()
    planned_end: Mapped[datetime | None] = instant_or_none()
    closed_by: Mapped[str] = mapped_column(String(255), default="", server_default="")

    __table_args__ = (CheckConstraint("starts_at <= ends_at", name="ends_after_it_starts"),)


class GiftLink(Base):
    """One article that a subscriber passes on; who opened it is written down nowhere.

    Attributes:
        token_hash: of the link's secret.
        opens: how many browsers have used it.
    """

    __tablename__ = "gift_link"
    id: Mapped[UUID] = new_id()
    reader_id: Mapped[UUID] = mapped_column(ForeignKey("reader.id"))
    article: Mapped[str] = mapped_column(String(200))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = instant()
    expires_at: Mapped[datetime] = mapped_column(Instant(), index=True)
    opens: Mapped[int] = mapped_column(default=0, server_default="0")
    revoked_at: Mapped[datetime | None] = instant_or_none()

    __table_args__ = (Index("ix_gift_link_reader_id", "reader_id", "created_at"),)


class PassKey(Base):
    """That a key signs reader passes; the key itself is made from our secret and this number."""

    __tablename__ = "pass_key"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    created_at: Mapped[datetime] = instant()


class AccessChange(Base):
    """On SQLite: what has changed about access, in the order in which it was committed.

    Attributes:
        subject: a reader's id, or `everybody`.
    """

    __tablename__ = "access_change"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    subject: Mapped[str] = mapped_column(String(60))

    __table_args__ = ({"sqlite_autoincrement": True},)
