"""People: readers, their Stripe customers, the staff, and how either is signed in."""

import enum
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Base, Instant, one_of
from billing.models.base import instant, instant_or_none, new_id


class Reader(Base):
    """A person, paying or not.

    An e-mail address belongs to a reader only once they proved it by following a link; until then
    it is what somebody typed, and several readers may have typed the same.
    """

    __tablename__ = "reader"
    id: Mapped[UUID] = new_id()
    email: Mapped[str] = mapped_column(String(254), default="")  # lower case; '' for none
    email_verified_at: Mapped[datetime | None] = instant_or_none()
    name: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime] = instant()
    merged_into: Mapped[UUID | None] = mapped_column(ForeignKey("reader.id"))

    __table_args__ = (
        Index(
            "uq_reader_verified_email",
            "email",
            unique=True,
            postgresql_where=text("email_verified_at IS NOT NULL AND merged_into IS NULL"),
            sqlite_where=text("email_verified_at IS NOT NULL AND merged_into IS NULL"),
        ),
        Index("ix_reader_email", "email"),
    )


class Customer(Base):
    """Stripe's record of a reader.

    Attributes:
        deleted_at: when we saw that somebody had deleted it at Stripe; its books stay.
        balance: what Stripe will set against the next invoice, in pence: below zero, a credit.
        payment_method_id: what later payments are taken from unless a subscription says otherwise.
    """

    __tablename__ = "customer"
    stripe_customer_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    reader_id: Mapped[UUID] = mapped_column(ForeignKey("reader.id"), index=True)
    created_at: Mapped[datetime] = instant()
    deleted_at: Mapped[datetime | None] = instant_or_none()
    balance: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    payment_method_id: Mapped[str] = mapped_column(String(255), default="", server_default="")


class Role(enum.StrEnum):
    """What a member of staff may do."""

    FINANCE = "finance"
    SUPPORT = "support"
    EDITOR = "editor"
    ADMIN = "admin"
    AUDITOR = "auditor"


class Staff(Base):
    """Somebody who works in the office."""

    __tablename__ = "staff"
    id: Mapped[UUID] = new_id()
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(one_of(Role))
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = instant()


class Audience(enum.StrEnum):
    """Whose door a sign-in opens."""

    READER = "reader"
    OFFICE = "office"


class SignInRequest(Base):
    """A link and a typed code, sent to an address; either works once.

    Only hashes are kept. `browser_hash` ties the typed code to the browser that asked for it; the
    link works anywhere, since following it is the proof.
    """

    __tablename__ = "sign_in_request"
    id: Mapped[UUID] = new_id()
    audience: Mapped[Audience] = mapped_column(one_of(Audience))
    email: Mapped[str] = mapped_column(String(254))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    code_hash: Mapped[str] = mapped_column(String(64), default="")
    browser_hash: Mapped[str] = mapped_column(String(64), default="")
    next_path: Mapped[str] = mapped_column(String(500), default="")
    code_attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = instant()
    expires_at: Mapped[datetime] = mapped_column(Instant(), index=True)
    used_at: Mapped[datetime | None] = instant_or_none()


class WebSession(Base):
    """A signed-in browser: a reader's, or one of the staff."""

    __tablename__ = "web_session"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    reader_id: Mapped[UUID | None] = mapped_column(ForeignKey("reader.id"), index=True)
    staff_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"), index=True)
    created_at: Mapped[datetime] = instant()
    expires_at: Mapped[datetime] = mapped_column(Instant(), index=True)

    __table_args__ = (
        CheckConstraint("(reader_id IS NULL) <> (staff_id IS NULL)", name="one_person"),
    )
