"""What Stripe knows of what we sell."""

import enum
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Base, one_of
from billing.models.base import instant
from billing.money import Money


class Interval(enum.StrEnum):
    """How often a price is paid: Stripe's four words."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class Price(Base):
    """A Stripe price that is, or once was, ours. Never edited: a new amount is a new price."""

    __tablename__ = "price"
    stripe_price_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    stripe_product_id: Mapped[str] = mapped_column(String(255))
    lookup_key: Mapped[str] = mapped_column(String(200), index=True)
    plan: Mapped[str] = mapped_column(String(60))
    band: Mapped[str] = mapped_column(String(60))
    interval: Mapped[Interval] = mapped_column(one_of(Interval))
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    on_sale: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = instant()

    __table_args__ = (CheckConstraint("amount >= 0", name="amount_not_negative"),)

    @property
    def money(self) -> Money:
        """The amount per interval."""
        return Money(self.amount, self.currency)
